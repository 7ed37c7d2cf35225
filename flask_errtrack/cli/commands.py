"""All commands of ``flask errtrack …``, in the order of the help."""

from __future__ import annotations

from .actions import (
    delete_command,
    merge_command,
    mute_command,
    note_command,
    reopen_command,
    resolve_command,
    unmerge_command,
)
from .alerts import alerts_command
from .events import events_command
from .feedback import feedback_command
from .issues import issues_command, show_command
from .keep import backup_command, export_command, prune_command
from .migrate import migrate_app_command
from .monitors import monitors_command
from .outbox import outbox_command
from .projects import projects_command
from .token import token_command
from .upkeep import (
    doctor_command,
    login_link_command,
    test_command,
    upgrade_command,
)

COMMANDS = (
    test_command,
    issues_command,
    events_command,
    show_command,
    resolve_command,
    reopen_command,
    mute_command,
    note_command,
    merge_command,
    unmerge_command,
    delete_command,
    feedback_command,
    alerts_command,
    monitors_command,
    projects_command,
    login_link_command,
    upgrade_command,
    prune_command,
    backup_command,
    export_command,
    token_command,
    outbox_command,
    doctor_command,
    migrate_app_command,
)
