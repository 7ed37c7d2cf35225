"""Workers of task queues: real ones, with a real Redis server."""
