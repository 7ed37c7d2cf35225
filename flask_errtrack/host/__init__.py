"""The app as its client sees it: requests, users, commands."""
