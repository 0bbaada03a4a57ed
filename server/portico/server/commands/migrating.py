"""``portico db upgrade``, ``current`` and ``check``: a thin layer over the migrations."""

import click

from portico.core.settings import Settings
from portico.server.commands.options import settings_command
from portico.server.commands.output import emit, warn
from portico.server.commands.settings import valid_settings
from portico.server.serving import settings_of

NONE = "none"


@settings_command()
@click.pass_context
def upgrade(ctx: click.Context) -> int:
    """Bring the database of the settings to the newest revision; one that is there stays."""
    from portico.server.db import migration

    settings = settings_of(valid_settings(ctx))
    try:
        migration.upgrade(settings)
    except migration.unreachable() as error:
        return report_unreachable(error)
    return emit(revision_of(settings))


@settings_command()
@click.pass_context
def current(ctx: click.Context) -> int:
    """Print the revision of the database of the settings, or none."""
    from portico.server.db import migration

    settings = settings_of(valid_settings(ctx))
    try:
        return emit(revision_of(settings))
    except migration.unreachable() as error:
        return report_unreachable(error)


@settings_command()
@click.pass_context
def check(ctx: click.Context) -> int:
    """Say whether the database of the settings is at the newest revision; 1 if it is not."""
    from portico.server.db import migration

    settings = settings_of(valid_settings(ctx))
    try:
        lack = migration.lack(settings)
    except migration.unreachable() as error:
        return report_unreachable(error)
    if lack is not None:
        warn(f"portico: {lack}")
        return 1
    return emit(revision_of(settings))


def revision_of(settings: Settings) -> str:
    """Tell the revision for a person."""
    from portico.server.db import migration

    return migration.current(settings) or NONE


def report_unreachable(error: Exception) -> int:
    """Say why the database did not answer."""
    lines = str(getattr(error, "orig", error)).splitlines()
    warn(f"portico: the database does not answer: {lines[0] if lines else 'no reason given'}")
    return 1
