"""``portico cors explain``."""

from typing import Final

import click

from portico.core.cors import (
    ClientRequest,
    CorsPolicy,
    Explanation,
    SettingFact,
    render_json,
    render_text,
)
from portico.core.cors import (
    explain as explain_request,
)
from portico.core.settings import TABLE, Resolution, Settings, cors_config
from portico.core.settings.wording import place_of, to_json
from portico.server.commands.options import settings_command, strict_option
from portico.server.commands.output import emit, emit_json, format_option, warn
from portico.server.commands.probe import ProbeError, parse_url
from portico.server.commands.running import SAFE_METHODS, RunningServer
from portico.server.commands.settings import valid_settings

EXIT_BLOCKED: Final = 1


@settings_command()
@click.option("--origin", required=True, help="The page's origin, such as https://app.example.")
@click.option("--method", default="GET", show_default=True, help="The method of the request.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME[: VALUE]",
    help="A header that the page sets; repeatable.",
)
@click.option("--credentials", is_flag=True, help="The page asks with credentials: include.")
@click.option("--url", help="Ask this running server too, and compare its answers with the policy.")
@strict_option
@format_option
@click.pass_context
def explain(
    ctx: click.Context,
    origin: str,
    method: str,
    headers: tuple[str, ...],
    credentials: bool,
    url: str | None,
    strict: bool,
    output_format: str,
) -> int:
    """Say what a browser will do with a page's request, why, and which setting decides it.

    With --url the verdict is that of the running server's answers; a request that could change
    something is asked as GET.
    """
    client = client_request(origin, method, headers, credentials=credentials)
    resolution = valid_settings(ctx, strict=strict, output_format=output_format)
    policy = compile_policy(resolution.settings)
    if url is None:
        return report(explain_request(policy, client), resolution, output_format)
    try:
        server = RunningServer(parse_url(url), policy)
    except ProbeError as error:
        raise click.BadParameter(str(error), ctx, param_hint="--url") from error
    return report_running(server, client, resolution, output_format)


def client_request(
    origin: str, method: str, headers: tuple[str, ...], *, credentials: bool
) -> ClientRequest:
    """Make the page's request.

    Raises:
        click.UsageError: No browser could send it.
    """
    pairs = (header.partition(":") for header in headers)
    try:
        return ClientRequest(
            origin,
            method,
            tuple((name.strip(), value.strip()) for name, _, value in pairs),
            "include" if credentials else "omit",
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def compile_policy(settings: Settings | None) -> CorsPolicy:
    """Compile the CORS policy of valid settings; without origins it is none."""
    config = None if settings is None else cors_config(settings)
    return CorsPolicy.disabled() if config is None else CorsPolicy.compile(config)


def report(explanation: Explanation, resolution: Resolution, output_format: str) -> int:
    """Write what the policy makes of the request."""
    code = 0 if explanation.verdict == "allowed" else EXIT_BLOCKED
    if output_format == "json":
        return emit_json(render_json(explanation, json_facts(resolution)), code=code)
    return emit(render_text(explanation, text_facts(resolution)), code=code)


def report_running(
    server: RunningServer, client: ClientRequest, resolution: Resolution, output_format: str
) -> int:
    """Write what a running server makes of the request, and where that is not the policy's."""
    try:
        explanation = explain_request(server, client)
    except ProbeError as error:
        warn(f"portico: {error}")
        return EXIT_BLOCKED
    blocked = explanation.verdict == "blocked"
    code = EXIT_BLOCKED if blocked or server.differences else 0
    if output_format == "json":
        document = render_json(explanation, json_facts(resolution))
        asked = {"url": server.url.geturl(), "differences": server.differences}
        return emit_json({**document, **asked}, code=code)
    text = render_text(explanation, text_facts(resolution))
    return emit("\n".join([text, *running_lines(server, explanation)]), code=code)


def running_lines(server: RunningServer, explanation: Explanation) -> list[str]:
    """Say what was asked, and whether the answers are the policy's."""
    sent = explanation.actual.request.method if explanation.actual else "GET"
    stand_in = "" if sent in SAFE_METHODS else f", GET in place of {sent}"
    lines = [f"  asked {server.url.geturl()}{stand_in}"]
    if not server.differences:
        return [*lines, "  its answers are those of the policy here"]
    return [*lines, "  its answers differ from the policy here:"] + [
        f"    {difference}" for difference in server.differences
    ]


def text_facts(resolution: Resolution) -> dict[str, SettingFact]:
    """Say of each CORS setting where its value stands, for a person."""
    return {
        path: SettingFact(fact.value, place_of(fact.origin), fact.env)
        for path, fact in json_facts(resolution).items()
    }


def json_facts(resolution: Resolution) -> dict[str, SettingFact]:
    """Say of each CORS setting its value, where that comes from, and its variable."""
    return {
        path: SettingFact(
            to_json(resolution.values[path]), resolution.provenance[path], spec.names[0]
        )
        for path, spec in TABLE.items()
        if spec.group == "cors"
    }
