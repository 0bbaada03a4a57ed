"""Settings for a command: resolved from where it runs, or one report of what is wrong."""

import sys
from typing import Any, Final, TextIO

import click

from portico.core.settings import Resolution
from portico.core.settings.report import check_object, check_text, finding_texts, is_valid
from portico.core.settings.wording import Paint, coloured, plain
from portico.server.commands.flags import setting_flags
from portico.server.commands.output import emit_json, has_colours, warn
from portico.server.sources import load

EXIT_SETTINGS: Final = 78
"""EX_CONFIG of sysexits.h."""


class SettingsError(click.ClickException):
    """The settings have problems, so that the command cannot do its work."""

    exit_code = EXIT_SETTINGS

    def __init__(self, resolution: Resolution, *, strict: bool, output_format: str) -> None:
        super().__init__("the settings have problems")
        self.resolution = resolution
        self.strict = strict
        self.output_format = output_format

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Write the report of ``config check``: text to stderr, JSON to stdout."""
        if self.output_format == "json":
            emit_json(check_object(self.resolution, strict=self.strict))
        else:
            paint = paint_for(sys.stderr)
            warn(check_text(self.resolution, strict=self.strict, paint=paint))


def valid_settings(
    ctx: click.Context, *, strict: bool = False, output_format: str = "text"
) -> Resolution:
    """Resolve the settings from where the command runs.

    Raises:
        SettingsError: There are problems; exit 78.
    """
    resolution = load(setting_flags(ctx))
    if not is_valid(resolution, strict=strict):
        raise SettingsError(resolution, strict=strict, output_format=output_format)
    return resolution


def show_warnings(resolution: Resolution) -> None:
    """Write the warnings to stderr, as the report of ``config check`` has them."""
    for text in finding_texts(resolution, paint_for(sys.stderr)):
        warn(f"{text}\n")


def code_of(resolution: Resolution, *, strict: bool = False) -> int:
    """Return the exit code of a command that can work with faulty settings too."""
    return 0 if is_valid(resolution, strict=strict) else EXIT_SETTINGS


def paint_for(stream: TextIO | None) -> Paint:
    """Choose emphasis for a terminal, none for anything else."""
    return coloured if has_colours(stream) else plain
