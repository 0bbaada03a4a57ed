"""``portico healthcheck``."""

import json
import ssl
from typing import TYPE_CHECKING, Any, Final, cast

import click

from portico.core.settings.wording import visible
from portico.server.commands.flags import setting_flags
from portico.server.commands.options import settings_command
from portico.server.commands.output import emit
from portico.server.commands.settings import valid_settings

if TYPE_CHECKING:
    from portico.core.settings import Settings
    from portico.server.commands.inquiry import Answer, Endpoint

EXIT_UNHEALTHY: Final = 1
TARGETS: Final = {"ready": "/readyz", "live": "/livez", "startup": "/startupz"}


@settings_command()
@click.argument("probe", type=click.Choice(list(TARGETS)), default="ready")
@click.option(
    "--url",
    help="Who is asked: http://HOST:PORT, https://HOST or unix:PATH. With a path, that is asked for"
    " in place of PROBE. Without --url, the server that these settings would start.",
)
@click.option("--insecure", is_flag=True, help="Take any certificate.")
@click.option("--ca", type=click.Path(), help="Trust certificates that this PEM file's sign.")
@click.option("--client-cert", type=click.Path(), help="PEM file with a certificate and its key.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.0, 3600.0, min_open=True),
    default=2.0,
    show_default=True,
    help="Seconds for all of it.",
)
@click.pass_context
def healthcheck(
    ctx: click.Context,
    probe: str,
    url: str | None,
    insecure: bool,
    ca: str | None,
    client_cert: str | None,
    timeout: float,
) -> int:
    """Ask a server whether it is ready (or live, or started), for containers without curl.

    Prints one line; exit 0 if it is, 1 if it is not or does not answer. The certificate of --url is
    verified. That of the server that these settings would start is verified with --ca alone: it is
    asked under an address of this machine, which is not what its certificate is for.
    """
    from portico.server.commands.inquiry import InquiryError, ask

    endpoint = stated_endpoint(ctx, url) if url is not None else own_endpoint(ctx)
    target = endpoint.path or TARGETS[probe]
    verified = not insecure and (url is not None or ca is not None)
    context = tls_context(verified, ca, client_cert) if endpoint.tls else None
    where = visible(endpoint.url(target))
    try:
        answer = ask(endpoint, target, context=context, timeout_s=timeout)
    except InquiryError as error:
        return emit(f"unhealthy: {where}: {visible(str(error))}", code=EXIT_UNHEALTHY)
    healthy = answer.status == 200
    verdict = "healthy" if healthy else "unhealthy"
    line = f"{verdict}: {where} answers {answer.status}{told(answer)}"
    return emit(line, code=0 if healthy else EXIT_UNHEALTHY)


def stated_endpoint(ctx: click.Context, url: str) -> "Endpoint":
    """Return whom ``--url`` names; the settings are not read then."""
    from portico.server.commands.inquiry import Endpoint

    flags = setting_flags(ctx)
    if flags:
        raise click.UsageError(f"{flags[0]} says nothing besides --url; leave one of them out")
    try:
        return Endpoint.parse(url)
    except ValueError as error:
        raise click.UsageError(visible(str(error))) from error


def own_endpoint(ctx: click.Context) -> "Endpoint":
    """Return where the server listens that these settings would start."""
    from portico.core.launch import LaunchPlan
    from portico.server.commands.inquiry import Endpoint

    settings = cast("Settings", valid_settings(ctx).settings)  # where they are valid there are some
    plan = LaunchPlan.from_settings(settings)
    if plan.uds is None and plan.port == 0:
        raise click.UsageError("server.port is 0, which the system chooses; name it with --url")
    return Endpoint.parse(plan.url())


def tls_context(verified: bool, ca: str | None, client_cert: str | None) -> ssl.SSLContext:
    """Make what judges the server's certificate, and shows the client's own.

    Raises:
        click.UsageError: A file cannot be read, or does not hold what it should.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
        if client_cert is not None:
            # A key with a password would be asked for on the terminal.
            context.load_cert_chain(client_cert, password="")
    except OSError as error:
        files = " or ".join(visible(name) for name in (ca, client_cert) if name)
        raise click.UsageError(f"{files} cannot be used: {error.strerror or error}") from error
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def told(answer: "Answer") -> str:
    """Say what a probe's body says, of a body that may be anybody's."""
    try:
        body: Any = json.loads(answer.body)
    except ValueError:
        return ""
    if not isinstance(body, dict) or not isinstance(body.get("status"), str):
        return ""
    status, reasons = body["status"], body.get("reasons")
    # Of a phase, the reason is the same word once more.
    names = [str(name) for name in reasons if name != status] if isinstance(reasons, list) else []
    words = f"{status}: {', '.join(names)}" if names else status
    return f" ({visible(words)})"
