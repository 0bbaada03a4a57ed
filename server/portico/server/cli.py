"""The ``portico`` command: the standard library alone, until the packages of an extra are needed.

Whatever goes wrong, the person gets one line that says what to do; ``--debug`` shows the traceback.
"""

import gc
import os
import sys

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it

LAST_STANDARD = 2

EXTRA_OF_PACKAGE = {
    "uvicorn": "uvicorn",
    "uvloop": "uvicorn",
    "httptools": "uvicorn",
    "granian": "granian",
}
"""Which extra brings a package; every other package that can be missing is in ``server``."""


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 failed, 2 usage or a missing extra, 3 crash loop, 78 settings.
    """
    fill_closed_descriptors()
    keep_output_printable()
    # Short commands make no garbage worth looking for, and looking takes a tenth of their time;
    # `serve` switches it on again.
    gc.disable()
    arguments = sys.argv[1:]
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        show_traceback(arguments)
        return report_missing(error)
    except Exception as error:
        show_traceback(arguments)
        return report_unexpected(error)


def run(arguments: list[str]) -> int:
    """Run the commands, whose packages are imported here and not before."""
    from portico.server.commands import run as run_command

    return run_command(arguments)


def show_traceback(arguments: list[str]) -> None:
    """Show where an error came from, to someone who asked for it."""
    if "--debug" in arguments:
        import traceback

        traceback.print_exc()


def report_unexpected(error: Exception) -> int:
    """Put an error that no command expected into one line."""
    summary = " ".join(str(error).split()) or "no message"
    say(f"portico: {type(error).__name__}: {summary} (--debug shows where)")
    return EXIT_FAILED


def report_missing(error: ModuleNotFoundError) -> int:
    """Name the extra that brings the missing package."""
    package = (error.name or "").partition(".")[0]
    if package in {"", "portico"}:
        say(f"portico: this installation is incomplete: {error}; install it again")
        return EXIT_FAILED
    extra = EXTRA_OF_PACKAGE.get(package, "server")
    say(f"portico: {package} is not installed: pip install 'portico[{extra}]'")
    return EXIT_USAGE


def say(line: str) -> None:
    """Write one line to stderr; where that is closed there is nobody to tell."""
    if sys.stderr is not None:
        print(line, file=sys.stderr)


def fill_closed_descriptors() -> None:
    """Point closed standard descriptors at nothing, here and in processes that are started.

    Else the next socket would get the number, and what is written to the log would go into it.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD:  # the lowest that is free
        os.set_inheritable(opened, True)
    os.close(opened)
    # Typeshed does not know that Python has no stream where the descriptor was closed.
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def keep_output_printable() -> None:
    """Let a terminal that lacks a character show its escape: a report must not end in an error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
