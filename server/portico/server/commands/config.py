"""``portico config``: check, show and explain the settings, and what the table gives."""

from typing import Final

import click

from portico.server.commands.groups import LazyCommand, LazyGroup

COMMANDS: Final = {
    "check": LazyCommand("checking:check", "Find every mistake in the settings at once."),
    "show": LazyCommand("showing:show", "Show every setting with its value and its origin."),
    "explain": LazyCommand("showing:explain", "Show where a setting's value comes from."),
    "diff": LazyCommand("diffing:diff", "Compare two configurations."),
    "schema": LazyCommand("documents:schema", "Print the JSON Schema of the configuration file."),
    "template": LazyCommand("documents:template", "Print a template with every setting."),
    "docs": LazyCommand("documents:docs", "Print the reference of all settings."),
}

config: click.Group = LazyGroup(
    "config",
    COMMANDS,
    package="portico.server.commands",
    help="Check, show and explain the settings.",
    epilog="Exit codes: 0 valid; 1 different; 2 usage; 78 a problem in the settings.",
)
