"""Finding issues: the list and its search, the people, the releases."""
