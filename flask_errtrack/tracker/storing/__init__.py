"""What one write transaction does with an event, and which events may go."""
