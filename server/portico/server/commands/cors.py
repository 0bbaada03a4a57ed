"""``portico cors``."""

from typing import Final

import click

from portico.server.commands.groups import LazyCommand, LazyGroup

COMMANDS: Final = {
    "explain": LazyCommand("explaining:explain", "Say what a browser will do with a request."),
}

cors: click.Group = LazyGroup(
    "cors",
    COMMANDS,
    package="portico.server.commands",
    help="Explain what a browser will do with a cross-origin request.",
    epilog="Exit codes: 0 allowed; 1 blocked; 2 usage; 78 a problem in the settings.",
)
