"""Writing a command's result: whole, quietly where the reader has left, coloured on terminals."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def format_option(command: Decorated) -> Decorated:
    """Add ``--format text|json`` to a command, as ``output_format``."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How the result is written.",
    )(command)


def emit(text: str, *, code: int = 0) -> int:
    """Write *text* as whole lines to stdout and return *code*.

    A reader that has left (``| head``) changes nothing about the verdict: what could not be written
    is dropped, and the exit code is still the command's own.
    """
    write(sys.stdout, text if text.endswith("\n") else f"{text}\n")
    return code


def emit_json(document: object, *, code: int = 0) -> int:
    """Write *document* as JSON, in ASCII so that every terminal carries it, and return *code*."""
    return emit(json.dumps(document, indent=2), code=code)


def warn(text: str) -> None:
    """Write *text* as whole lines to stderr; a disk that is full of them changes no verdict."""
    try:
        write(sys.stderr, text if text.endswith("\n") else f"{text}\n")
    except OSError:
        discard(sys.stderr)


def write(stream: TextIO | None, text: str) -> None:
    """Write and flush; a closed stream, or one whose reader has left, takes nothing."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        discard(stream)


def discard(stream: TextIO) -> None:
    """Point *stream* at nothing, or the interpreter's own flush at exit would complain."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, stream.fileno())
    os.close(sink)


def has_colours(stream: TextIO | None) -> bool:
    """Say whether *stream* gets colours: a terminal, where NO_COLOR is empty (no-color.org)."""
    return bool(
        stream is not None
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
