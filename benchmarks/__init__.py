"""What Flask-ErrTrack costs: ``python -m benchmarks``."""
