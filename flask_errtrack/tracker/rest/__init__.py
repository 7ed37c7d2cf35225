"""The JSON API below ``/api/0/``: for scripts, which come with a token."""
