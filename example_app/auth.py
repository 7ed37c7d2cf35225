"""Logging in and out."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import login_user, logout_user
from sqlalchemy import select
from werkzeug import Response

from .extensions import db, login_manager
from .models import DEMO_USERS, User

blueprint = Blueprint("auth", __name__)
login_manager.login_view = "auth.login"


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))


@blueprint.get("/login")
def login() -> str:
    return render_template("login.html", demo_users=DEMO_USERS)


@blueprint.post("/login")
def check_login() -> Response:
    name = request.form["name"]
    user = db.session.scalar(select(User).where(User.name == name))
    if user is None or not user.has_password(request.form["password"]):
        flash("This name and this password do not belong together.")
        return redirect(url_for("auth.login"))
    login_user(user)
    return redirect(url_for("todos.index"))


@blueprint.post("/logout")
def logout() -> Response:
    logout_user()
    return redirect(url_for("auth.login"))
