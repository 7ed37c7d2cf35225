"""The extensions, made once and connected with an app by ``create_app``."""

from __future__ import annotations

from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_errtrack import ErrTrack


class Base(DeclarativeBase):
    """The base of the models."""


db = SQLAlchemy(metadata=Base.metadata)
login_manager = LoginManager()
errtrack = ErrTrack()
