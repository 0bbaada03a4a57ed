"""``portico version``."""

from importlib.metadata import version as installed_version

import click

from portico.server.commands.groups import debug_option
from portico.server.commands.output import emit, emit_json, format_option


@click.command(params=[debug_option()])
@format_option
def version(output_format: str) -> int:
    """Print the version of the installed distribution."""
    number = installed_version("portico")
    if output_format == "json":
        return emit_json({"version": number})
    return emit(f"portico {number}")
