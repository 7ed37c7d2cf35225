"""An event as Markdown: to paste into a ticket, and to read in a terminal.

What an event says is hostile. It stands only inside code spans and fences
longer than any run of backticks in it, so that nothing of it can be markup,
and its control characters are made visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ....words import Value, count, number, one_line
from ...events.checkers import seconds_of
from . import details, stack
from .event_view import EventView, event_view

_MAX_FRAMES = 12
_MAX_BREADCRUMBS = 10
_MAX_EXCEPTIONS = 10
# Contexts that tell nothing of what one event has and others have not.
_OF_EVERY_EVENT = ("asgi", "device", "flask", "os", "runtime")
_BACKTICKS = re.compile("`+")


def event_as_markdown(event: Mapping[str, Any], issue: Mapping[str, Any] | None) -> str:
    """Return an event as Markdown.

    :param issue: its issue as ``issue_summary`` has it, if known.
    """
    time = seconds_of(event.get("timestamp")) or 0.0
    view = event_view(event, one_line(event.get("event_id") or ""), time, time)
    parts = [
        f"# {code(': '.join(filter(None, [view.type, view.text])) or 'Event')}",
        "\n".join(_facts(view, issue)),
        *_message(view),
        *_exceptions(view),
        *_request(view),
        *_table("User", view.user),
        *_table("Tags", view.tags),
        *_contexts(view),
        *_breadcrumbs(view),
        *_table("Extra", view.extra),
        *_notes(view),
    ]
    return "\n\n".join(parts) + "\n"


def code(text: str) -> str:
    """Return a text as a code span on one line, whatever is in it."""
    text = one_line(text, 400)
    if not text:
        return "` `"
    fence = "`" * (_longest_run(text) + 1)
    # A space is needed, and dropped again, beside a backtick.
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """Return a text as a block of code, whatever is in it."""
    fence = "`" * max(_longest_run(text) + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def _facts(view: EventView, issue: Mapping[str, Any] | None) -> Iterator[str]:
    where = " in ".join(filter(None, [view.place, view.function]))
    if where:
        yield f"- Where: {code(where)}"
    if view.route:
        name = "Transaction" if view.request is None else "Route"
        yield f"- {name}: {code(view.route)}"
    yield f"- When: {view.time.exact}"
    if issue is not None:
        people = count(issue["users"], "person", "people")
        yield (
            f"- Issue: {issue['id']} ({code(issue['status'])}), "
            f"{count(issue['events'], 'event')}, {people}, "
            f"since {code(issue['first_seen'])}"
        )
    for row in view.facts:
        if row.name in ("Release", "Environment", "Server"):
            yield f"- {row.name}: {code(row.value.text)}"
    yield f"- Event: {code(view.event_id)}"


def _message(view: EventView) -> Iterator[str]:
    if view.message is not None and (view.exceptions or view.message.is_long):
        yield "## Message"
        yield fenced(_text(view.message))


def _exceptions(view: EventView) -> Iterator[str]:
    for exception in view.exceptions[:_MAX_EXCEPTIONS]:
        name = f"{exception.module}.{exception.type}".lstrip(".")
        link = f"{exception.link[:1].upper()}{exception.link[1:]}: "
        yield f"## {link if exception.link else ''}{code(name)}"
        if exception.value.text:
            yield fenced(_text(exception.value))
        lines = list(_calls(exception.items))
        if lines:
            yield "Most recent call first:"
            yield fenced("\n".join(lines), "text")
    left_out = len(view.exceptions) - _MAX_EXCEPTIONS
    if left_out > 0:
        yield f"{count(left_out, 'more exception')} in the event."


def _calls(
    items: Iterable[stack.FrameView | stack.LibraryRun | stack.Repeat],
) -> Iterator[str]:
    shown = 0
    for item in items:
        if item.kind != "frame":
            yield f"    ({item.words})"
            continue
        shown += 1
        if shown > _MAX_FRAMES:
            yield "    (earlier calls left out)"
            return
        yield f"{item.place} in {item.function}"
        for line in item.lines:
            if line.is_failing:
                source = f"{line.before}{line.marked}{line.after}"
                yield f"    {source.strip()}"


def _request(view: EventView) -> Iterator[str]:
    if view.request is not None:
        yield "## Request"
        yield code(f"{view.request.method} {view.request.url}".strip())
        if view.request.data is not None:
            yield fenced(_text(view.request.data))


def _table(title: str, rows: Iterable[details.Row]) -> Iterator[str]:
    lines = [f"- {code(row.name)}: {code(row.value.text)}" for row in rows]
    if lines:
        yield f"## {title}"
        yield "\n".join(lines)


def _contexts(view: EventView) -> Iterator[str]:
    """What is known of the job or command; not of the machine."""
    for group in view.contexts:
        if group.title.lower() not in _OF_EVERY_EVENT:
            yield from _table(code(group.title), group.rows)


def _breadcrumbs(view: EventView) -> Iterator[str]:
    found = (*view.breadcrumbs.earlier, *view.breadcrumbs.last)[-_MAX_BREADCRUMBS:]
    lines = [_breadcrumb(crumb) for crumb in found]
    if lines:
        yield "## Breadcrumbs, newest last"
        yield fenced("\n".join(lines), "text")


def _breadcrumb(crumb: details.BreadcrumbView) -> str:
    data = [f"{row.name}={row.value.text}" for row in crumb.data]
    parts = crumb.when, crumb.level, crumb.category, crumb.message.text, *data
    return one_line("  ".join(filter(None, parts)), 400)


def _notes(view: EventView) -> Iterator[str]:
    if view.notes:
        yield "## Notes"
        yield "\n".join(f"- {code(note)}" for note in view.notes)


def _text(value: Value) -> str:
    more = f"\n… {number(value.left_out)} more characters" if value.left_out else ""
    return value.text + more
