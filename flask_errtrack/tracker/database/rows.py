"""What the rows of all tables have in common: how they are read, and their numbers.

Knows no table.
"""

from __future__ import annotations

from typing import Any

#: A row of SQLAlchemy; how it is typed differs between 2.0 and 2.1.
Record = Any

#: The highest number that a row can have.
MAX_ID = 2**63 - 1
#: Such a number in the rule of a route: a database refuses to compare with others.
ID_IN_RULE = f"int(max={MAX_ID})"


def can_be_id(number: int) -> bool:
    """Tell whether a row can have a number: a database refuses to look for others."""
    return 0 < number <= MAX_ID
