"""The todos of the user who is logged in."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from sqlalchemy import select
from werkzeug import Response

from .extensions import db
from .models import Todo

blueprint = Blueprint("todos", __name__)


@blueprint.get("/")
@login_required
def index() -> str:
    mine = select(Todo).where(Todo.user_id == current_user.id)
    todos = db.session.scalars(mine.order_by(Todo.is_done, Todo.due)).all()
    return render_template("index.html", todos=todos)


@blueprint.post("/todos")
@login_required
def add() -> Response:
    due = request.form.get("due", type=date.fromisoformat)
    todo = Todo(title=request.form["title"], due=due, user_id=current_user.id)
    db.session.add(todo)
    db.session.commit()
    return redirect(url_for("todos.show", todo_id=todo.id))


@blueprint.get("/todos/<int:todo_id>")
@login_required
def show(todo_id: int) -> str:
    return render_template("todo.html", todo=my_todo(todo_id))


@blueprint.post("/todos/<int:todo_id>/done")
@login_required
def finish(todo_id: int) -> Response:
    my_todo(todo_id).is_done = True
    db.session.commit()
    return redirect(url_for("todos.index"))


@blueprint.get("/about")
def about() -> str:
    return render_template("about.html")


def my_todo(todo_id: int) -> Todo:
    """Return a todo of the current user, or answer 404."""
    todo = db.session.get(Todo, todo_id)
    if todo is None or todo.user_id != current_user.id:
        abort(404)
    return todo
