"""What comes, made into an event that can be trusted, and grouped. Pure."""
