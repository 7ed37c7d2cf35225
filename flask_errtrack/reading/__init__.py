"""From live objects to JSON. What is read here is never touched again."""
