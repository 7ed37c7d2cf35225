"""What happens in the whole process, and which clients it concerns."""
