"""The client: what becomes an event, how it is made, how it leaves."""
