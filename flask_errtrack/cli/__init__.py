"""``flask errtrack …``: the commands of an app, a file a topic.

They are imported when somebody asks for one: most programs never do.
"""

from __future__ import annotations

import click

from .group import CommandGroup


class _Commands(CommandGroup):
    """The commands, as they are wanted."""

    _is_loaded = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return one of them."""
        self._load()
        return super().get_command(ctx, name)

    def _load(self) -> None:
        if not self._is_loaded:
            from .commands import COMMANDS

            self._is_loaded = True
            for command in COMMANDS:
                self.add_command(command)


errtrack_commands = _Commands("errtrack", help="Look at the app's errors.")
