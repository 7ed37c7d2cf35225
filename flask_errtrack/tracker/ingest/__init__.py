"""Receiving what any Sentry SDK sends: from a request to the store, or to a count.

Owns the protocol's routes and their limits. Knows nothing of pages.
"""
