"""``portico config check``."""

import sys

import click

from portico.core.settings.report import check_object, check_text
from portico.server.commands.flags import setting_flags
from portico.server.commands.options import settings_command, strict_option
from portico.server.commands.output import emit, emit_json, format_option
from portico.server.commands.settings import code_of, paint_for
from portico.server.sources import load


@settings_command()
@strict_option
@format_option
@click.pass_context
def check(ctx: click.Context, strict: bool, output_format: str) -> int:
    """Find every mistake in the settings at once, wherever it stands."""
    resolution = load(setting_flags(ctx))
    code = code_of(resolution, strict=strict)
    if output_format == "json":
        return emit_json(check_object(resolution, strict=strict), code=code)
    return emit(check_text(resolution, strict=strict, paint=paint_for(sys.stdout)), code=code)
