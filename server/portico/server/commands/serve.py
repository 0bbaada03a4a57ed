"""``portico serve``."""

import gc
import os

import click

from portico.core.settings import Resolution
from portico.core.settings.report import sources_read
from portico.server.commands.options import settings_command, strict_option
from portico.server.commands.output import format_option
from portico.server.commands.settings import show_warnings, valid_settings
from portico.server.reload import MARK


@settings_command()
@click.argument("target", required=False)
@click.option(
    "--asyncio",
    "asyncio_app",
    is_flag=True,
    help="TARGET knows asyncio only; on Trio it runs through trio-asyncio.",
)
@strict_option
@format_option
@click.pass_context
def serve(
    ctx: click.Context, target: str | None, asyncio_app: bool, strict: bool, output_format: str
) -> int:
    """Run the server; with TARGET (package.module:app) the same policy before that application.

    Mistakes in the settings are reported as config check does, in the form of --format, and nothing
    is bound.
    """
    resolution = valid_settings(ctx, strict=strict, output_format=output_format)
    if says_warnings(resolution):
        show_warnings(resolution)
    gc.enable()
    # Engines and Quart cost more than all the rest: not before the settings are known to be good.
    from portico.server.serving import serve as serve_settings

    return serve_settings(
        resolution, target=target, asyncio_app=asyncio_app, read=sources_read(resolution)
    )


def says_warnings(resolution: Resolution) -> bool:
    """Say whether this process shows the warnings: with reload only the child that serves does."""
    settings = resolution.settings
    return settings is None or not settings.server.reload or MARK in os.environ
