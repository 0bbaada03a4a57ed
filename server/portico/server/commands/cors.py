"""``portico cors``."""

from typing import Final

import click

from portico.server.commands.groups import LazyCommand, LazyGroup

COMMANDS: Final = {
    "explain": LazyCommand("explaining:explain", "Say what a browser will do with a request."),
    "import-quart": LazyCommand(
        "importing:import_quart", "Say a quart-cors configuration in Portico's settings."
    ),
}

cors: click.Group = LazyGroup(
    "cors",
    COMMANDS,
    package="portico.server.commands",
    help="Explain what a browser will do with a cross-origin request.",
    epilog="Exit codes: 0 allowed, or carried over; 1 blocked, or not all carried over; 2 usage; "
    "78 a problem in the settings.",
)
