"""One file a revision; ``REVISIONS`` in the package above names them in order."""
