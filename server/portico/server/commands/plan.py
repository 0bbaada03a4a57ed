"""``portico plan``."""

from collections.abc import Iterator

import click

from portico.core.faults import EXPOSURES
from portico.core.launch import EngineParameters
from portico.core.settings.wording import columns, visible
from portico.server.commands.options import settings_command, strict_option
from portico.server.commands.output import emit, emit_json, format_option, warn
from portico.server.commands.settings import EXIT_SETTINGS, valid_settings


@settings_command()
@strict_option
@format_option
@click.pass_context
def plan(ctx: click.Context, strict: bool, output_format: str) -> int:
    """Print every parameter that the engine (--engine) will be given; nothing is started."""
    from portico.adapters.tls import TlsError
    from portico.server.serving import plan_of

    resolution = valid_settings(ctx, strict=strict, output_format=output_format)
    try:
        words = plan_of(resolution)
    except TlsError as error:
        warn(f"portico: {error}")
        return EXIT_SETTINGS
    if output_format == "json":
        return emit_json(words.document())
    return emit("\n".join(plan_lines(words)))


def plan_lines(words: EngineParameters) -> Iterator[str]:
    """Write a plan for a person: parameters, then what the engine does not do."""
    yield str(words.engine)
    rows = [(f"  {name}", visible(str(value))) for name, value in words.parameters.items()]
    yield from columns(rows)
    for row in words.unsupported:
        if row.asked:
            yield f"not carried out: {row.setting} = {visible(str(row.value))} ({row.why})"
    for exposure in EXPOSURES[words.engine]:
        yield f"does not survive: {exposure.fault} ({exposure.why})"
    for warning in words.warnings:
        yield f"warning: {warning}"
