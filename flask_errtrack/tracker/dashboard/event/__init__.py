"""One event, as its page, its Markdown and its curl line show it."""
