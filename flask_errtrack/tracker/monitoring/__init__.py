"""Scheduled jobs: what they tell, what did not happen, and when they run."""
