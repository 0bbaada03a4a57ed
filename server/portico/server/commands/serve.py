"""``portico serve``."""

import gc
import os

import click

from portico.core.settings import Resolution
from portico.core.settings.report import is_valid, sources_read
from portico.server.commands.flags import setting_flags
from portico.server.commands.options import settings_command, strict_option
from portico.server.commands.output import format_option
from portico.server.commands.settings import SettingsError, show_warnings, valid_settings
from portico.server.reload import MARK
from portico.server.sources import load


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

    def resolve_again() -> Resolution | None:
        following = load(setting_flags(ctx))
        if is_valid(following, strict=strict):
            show_warnings(following)
            return following
        SettingsError(following, strict=strict, output_format=output_format).show()
        return None

    return serve_settings(
        resolution,
        target=target,
        asyncio_app=asyncio_app,
        read=sources_read(resolution),
        resolve_again=resolve_again,
    )


def says_warnings(resolution: Resolution) -> bool:
    """Say whether this process shows the warnings: with reload only the child that serves does."""
    settings = resolution.settings
    return settings is None or not settings.server.reload or MARK in os.environ
