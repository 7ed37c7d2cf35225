"""Alerts: from what happened to an issue to what people are told of it.

``deciding`` turns what happened into alerts that wait in the database; ``windows``
counts for it. ``queue`` hands them out, ``messages`` puts them into words, ``targets``
delivers, and ``watchman`` is the thread that does one after the other.
"""
