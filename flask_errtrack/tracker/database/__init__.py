"""The tracker's own database: connections, tables, turns of writing, faults."""
