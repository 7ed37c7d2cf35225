"""Secrets, by name and by value: what is one, and how it is found."""
