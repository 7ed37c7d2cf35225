"""What the pages of the client and of the tracker have in common, and the dialog."""
