"""``portico config diff``."""

import sys
from collections.abc import Mapping
from typing import Final

import click

from portico.core.settings import Resolution, Sources
from portico.core.settings.difference import diff_object, diff_text, differences
from portico.core.settings.profiles import PROFILES
from portico.core.settings.report import check_text
from portico.server.commands.groups import debug_option
from portico.server.commands.output import emit, emit_json, format_option, warn
from portico.server.commands.settings import EXIT_SETTINGS, paint_for
from portico.server.sources import NamedFile, read_text, resolve_reading

EXIT_DIFFERENT: Final = 1
ENVIRONMENT: Final = "env:"


@click.command(params=[debug_option()])
@click.argument("a")
@click.argument("b")
@click.option("--profile", type=click.Choice(list(PROFILES)), help="Profile below both.")
@format_option
def diff(a: str, b: str, profile: str | None, output_format: str) -> int:
    """Compare the settings that A and B give, each on its own.

    A and B are configuration files, or env:FILE for a saved environment (the output of env, or of
    env -0). Exit 0: the same; 1: different; 78: one of them has problems.
    """
    left, right = (resolve_side(side, profile) for side in (a, b))
    if left.problems or right.problems:
        return report_faulty({a: left, b: right})
    found = differences(left, right)
    code = EXIT_DIFFERENT if found else 0
    if output_format == "json":
        return emit_json(diff_object(found), code=code)
    return emit(diff_text(found), code=code)


def resolve_side(side: str, profile: str | None) -> Resolution:
    """Resolve one configuration alone: neither this environment nor ``./.env`` counts."""
    if side.startswith(ENVIRONMENT):
        return resolve_reading(Sources(env=saved_environment(side), profile=profile))
    file = NamedFile(side, read_text(side))
    return resolve_reading(Sources(file=file.source(), profile=profile), [file])


def saved_environment(side: str) -> dict[str, str]:
    """Read a saved environment.

    Raises:
        click.UsageError: The file cannot be read.
    """
    name = side.removeprefix(ENVIRONMENT)
    content = read_text(name)
    if content.text is None:
        raise click.UsageError(f"{name} cannot be read: {content.reason}")
    return parse_environment(content.text)


def parse_environment(text: str) -> dict[str, str]:
    """Read ``NAME=value`` lines, or what ``env -0`` writes; nothing is unquoted.

    A line without a name continues the value before it: ``env`` does not mark a line end in one.
    """
    if "\0" in text:
        return dict(entry.partition("=")[::2] for entry in text.split("\0") if "=" in entry)
    variables: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        head, equals, value = line.partition("=")
        if equals and head.isidentifier():
            name = head
            variables[name] = value
        elif name:
            variables[name] += f"\n{line}"
    return variables


def report_faulty(sides: Mapping[str, Resolution]) -> int:
    """Write the report of each side that has problems."""
    for side, resolution in sides.items():
        if resolution.problems:
            warn(f"{side}:\n{check_text(resolution, paint=paint_for(sys.stderr))}")
    return EXIT_SETTINGS
