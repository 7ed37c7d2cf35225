"""The pages on which a developer reads and finishes issues.

From the top: views take a request, ``pages`` asks ``queries`` and returns one frozen
object a page, the rest turns an event into what a person wants to see.
"""
