"""``portico db``: migrate the database and tell its revision."""

from typing import Final

import click

from portico.server.commands.groups import LazyCommand, LazyGroup

COMMANDS: Final = {
    "upgrade": LazyCommand("migrating:upgrade", "Bring the database to the newest revision."),
    "current": LazyCommand("migrating:current", "Print the revision of the database."),
    "check": LazyCommand("migrating:check", "Say whether the database must be upgraded."),
}

db: click.Group = LazyGroup(
    "db",
    COMMANDS,
    package="portico.server.commands",
    help="Migrate the database and tell its revision.",
    epilog="Exit codes: 0 done, or up to date; 1 to be upgraded, or no answer; 2 usage; "
    "78 a problem in the settings.",
)
