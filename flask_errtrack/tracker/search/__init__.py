"""Search: the language that people type, and what it means for the database.

``language`` turns a text into ``terms``, ``conditions`` those into SQL about issues,
``events`` asks the same of events.
"""
