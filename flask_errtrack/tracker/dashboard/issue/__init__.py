"""One issue: its page, its history, and what people do with it there."""
