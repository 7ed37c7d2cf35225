"""A todo list that keeps its errors: log in, add a todo without a due date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, render_template

from flask_errtrack.contrib.signals import watch_logins, watch_templates
from flask_errtrack.contrib.sqlalchemy import watch_engine

from . import auth, jobs, models, views
from .extensions import db, errtrack, login_manager


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app. ``config`` wins over the environment's ``FLASK_…``."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        SESSION_COOKIE_SAMESITE="Lax",
        SQLALCHEMY_DATABASE_URI="sqlite:///todos.db",
        ERRTRACK_ENVIRONMENT="demo",
        # With --debug, too, show the page for errors instead of the debugger.
        PROPAGATE_EXCEPTIONS=False,
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})

    errtrack.init_app(app)
    db.init_app(app)
    login_manager.init_app(app)
    app.register_blueprint(auth.blueprint)
    app.register_blueprint(views.blueprint)
    app.register_error_handler(500, show_error)
    app.cli.add_command(jobs.clear_todos)
    with app.app_context():
        models.create_database()
        # What happened before an error: each line is one more thing to see.
        watch_engine(db.engine, errtrack)
    watch_templates(app, errtrack)
    watch_logins(app, errtrack)
    return app


def show_error(error: Exception) -> tuple[str, int]:
    """Answer a request that failed."""
    return render_template("500.html"), 500
