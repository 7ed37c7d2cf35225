"""Jobs for cron: ``flask --app example_app clear-todos``, once a night."""

from __future__ import annotations

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from .extensions import db, errtrack
from .models import Todo


@click.command("clear-todos")
@with_appcontext
@errtrack.monitor("clear-todos", schedule="0 3 * * *", max_runtime_minutes=5)
def clear_todos() -> None:
    """Delete finished todos that are past their due date."""
    deleted = 0
    for todo in db.session.scalars(select(Todo).where(Todo.is_done)):
        try:
            is_late = todo.days_left < 0
        # One bad todo must not keep the others: report it and go on.
        except Exception:  # noqa: BLE001
            errtrack.capture_exception(
                tags={"cron-job": "clear-todos"}, extra={"todo": todo.title}
            )
            continue
        if is_late:
            db.session.delete(todo)
            deleted += 1
    db.session.commit()
    click.echo(f"Deleted {deleted} todos.")
