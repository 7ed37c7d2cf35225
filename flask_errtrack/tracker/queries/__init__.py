"""What is asked of the tables, for pages, programs and commands: one query each."""
