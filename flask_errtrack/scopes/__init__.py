"""What is known of the running work, what came of it, and where both are kept."""
