"""How it all is, for people, for monitors and for the command line."""
