"""What Python itself does: processes, threads and tasks, context managers."""
