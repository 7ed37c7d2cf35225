"""``flask errtrack …``: the commands of an app, a file a topic."""

from __future__ import annotations

from flask.cli import AppGroup

from .issues import (
    issues_command,
    mute_command,
    reopen_command,
    resolve_command,
    show_command,
)
from .outbox import outbox_command
from .upkeep import (
    doctor_command,
    login_link_command,
    prune_command,
    test_command,
    upgrade_command,
)

errtrack_commands = AppGroup("errtrack", help="Look at the app's errors.")

for _command in (
    test_command,
    issues_command,
    show_command,
    resolve_command,
    reopen_command,
    mute_command,
    login_link_command,
    upgrade_command,
    prune_command,
    outbox_command,
    doctor_command,
):
    errtrack_commands.add_command(_command)
