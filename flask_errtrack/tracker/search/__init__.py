"""Search: the language that people type, and what it means for the database.

``language`` turns a text into terms, ``conditions`` terms into SQL about issues,
``matching`` asks the same of one event.
"""
