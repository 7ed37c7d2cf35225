"""The database: users and their todos."""

from __future__ import annotations

from datetime import date

from flask_login import UserMixin
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from .extensions import Base, db

#: Who may log in: names and passwords, for a demonstration only.
DEMO_USERS = {"ada": "engine", "grace": "compiler"}


class User(UserMixin, Base):
    """A person who can log in."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    todos: Mapped[list[Todo]] = relationship(back_populates="user")

    def has_password(self, password: str) -> bool:
        """Tell whether this is the user's password."""
        return check_password_hash(self.password_hash, password)


class Todo(Base):
    """Something to do, and by when."""

    __tablename__ = "todo"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    due: Mapped[date] = mapped_column(nullable=True)
    is_done: Mapped[bool] = mapped_column(default=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User] = relationship(back_populates="todos")

    @property
    def days_left(self) -> int:
        """Days until the todo is due; negative when it is late."""
        return (self.due - date.today()).days


def create_database() -> None:
    """Make the tables and the users for the demonstration, if they are missing."""
    db.create_all()
    if db.session.scalar(select(User)) is None:
        for name, password in DEMO_USERS.items():
            hashed = generate_password_hash(password)
            db.session.add(User(name=name, password_hash=hashed))
        db.session.commit()
