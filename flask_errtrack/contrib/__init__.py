"""Integrations that are switched on by one line each, and import what they are for."""
