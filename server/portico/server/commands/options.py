"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from portico.core.settings.profiles import PROFILES
from portico.server.commands.flags import SettingsCommand

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

LAYER_OPTIONS: Final = (
    click.option(
        "--config",
        type=click.Path(),
        expose_value=False,
        help="Configuration file, in place of LETTA_CONFIG, LETTA_CONFIG_PATH and ./conf.yaml.",
    ),
    click.option(
        "--profile",
        type=click.Choice(list(PROFILES)),
        expose_value=False,
        help="Layer just above the defaults, in place of LETTA_PROFILE.",
    ),
)
"""Their words go to ``resolve`` like the settings' flags; here they are for help and completion."""


def settings_command(**attributes: Any) -> Callable[[Callable[..., int]], SettingsCommand]:
    """Make a command that takes every setting as a flag, besides ``--profile`` and ``--config``."""

    def decorate(function: Callable[..., int]) -> SettingsCommand:
        for option in LAYER_OPTIONS:
            function = option(function)
        return click.command(cls=SettingsCommand, **attributes)(function)

    return decorate


def strict_option(function: Decorated) -> Decorated:
    """Add ``--strict``."""
    return click.option("--strict", is_flag=True, help="Treat warnings as problems.")(function)
