"""The options: each declared once, where they come from, what they may be."""
