"""The commands of ``portico``, in click; each is imported when it is asked for."""

from typing import Final

import click

from portico.server.commands.groups import LazyCommand, LazyGroup

PROGRAM: Final = "portico"
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130

COMMANDS: Final = {
    "serve": LazyCommand("serve:serve", "Run the server, or any ASGI application behind it."),
    "config": LazyCommand("config:config", "Check, show and explain the settings."),
    "cors": LazyCommand("cors:cors", "Explain what a browser will do with a request."),
    "db": LazyCommand("db:db", "Migrate the database and tell its revision."),
    "healthcheck": LazyCommand(
        "healthcheck:healthcheck", "Ask a server whether it is ready, live or started."
    ),
    "logs": LazyCommand("logs:logs", "Show the log lines of one request, trace, run or agent."),
    "plan": LazyCommand("plan:plan", "Print what the engine will be given."),
    "openapi": LazyCommand("openapi:openapi", "Print the API's OpenAPI document."),
    "version": LazyCommand("version:version", "Print the version."),
    "completion": LazyCommand("completion:completion", "Print a shell's completion script."),
}

root = LazyGroup(
    PROGRAM,
    COMMANDS,
    package=__name__,
    help="The server in front of an API: explained settings, explained CORS, three engines.",
    epilog=(
        "Exit codes: 0 done and valid; 1 different, blocked or failed; 2 usage, or the address is"
        " taken; 3 crash loop; 78 a problem in the settings."
    ),
)
click.version_option(
    package_name=PROGRAM,
    prog_name=PROGRAM,
    message="%(prog)s %(version)s",
    help="Show the version.",
)(root)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = root.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0
