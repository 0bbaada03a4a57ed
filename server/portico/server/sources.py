"""The edge of the settings: reads what :func:`portico.core.settings.resolve` takes as text.

Every file is opened without waiting and read up to a bound, so that no FIFO, device or endless file
can hold the command up; what cannot be read becomes a finding like any other.
"""

import codecs
import errno
import io
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from portico.core.settings import (
    Finding,
    Resolution,
    Sources,
    check_policy,
    named_config,
    resolve,
    wanted_files,
)
from portico.server.suffixes import is_public_suffix

MAX_FILE_BYTES: Final = 1 << 20
DEFAULT_CONFIG: Final = "conf.yaml"
DOTENV: Final = ".env"


@dataclass(frozen=True, slots=True)
class FileText:
    """What reading one file gave: its text, or the reason why there is none.

    Attributes:
        text: The decoded content; None where it could not be read.
        reason: Why it could not be read, for a person; empty where it could.
        missing: Nothing is there under that name.
    """

    text: str | None = field(repr=False)
    reason: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file and what reading it gave.

    Attributes:
        name: As somebody typed it.
        content: Its text, or why there is none.
    """

    name: str
    content: FileText

    def source(self) -> tuple[str, str | None]:
        """Return name and text, as :class:`Sources` takes them."""
        return self.name, self.content.text


def load(argv: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Resolution:
    """Read every source and resolve the settings.

    Args:
        argv: The settings' flags, unparsed, ``--config`` and ``--profile`` among them.
        environ: In place of the process's environment.

    Returns:
        The resolution; files that could not be read are among its problems, with the reason.
    """
    env = dict(os.environ if environ is None else environ)
    dotenv = read_named(DOTENV)
    sources = Sources(env=env, argv=tuple(argv), dotenv=None if dotenv is None else dotenv.source())
    files = [] if dotenv is None else [dotenv]
    return resolve_reading(sources, files, default_config=DEFAULT_CONFIG)


def resolve_reading(
    sources: Sources, files: Sequence[NamedFile] = (), *, default_config: str | None = None
) -> Resolution:
    """Read the files that *sources* name, and resolve all.

    Args:
        sources: Without the targets of ``*_FILE``, and without the configuration file unless it is
            already known.
        files: The files from which *sources* came, for the reasons why one has no text.
        default_config: The configuration file when none is named, if it is there.
    """
    config = None if sources.file is not None else read_config(sources, default_config)
    if config is not None:
        sources = replace(sources, file=config.source())
    targets = [NamedFile(path, read_text(path)) for path in wanted_files(sources)]
    texts = {target.name: target.content.text for target in targets}
    read = [*files, *([config] if config else []), *targets]
    return with_policy_checked(with_reasons(resolve(replace(sources, files=texts)), read))


def with_policy_checked(resolution: Resolution) -> Resolution:
    """Compile the CORS policy too, so that what is wrong with it stands in the same report."""
    found = check_policy(resolution, is_public_suffix)
    if not found:
        return resolution
    return replace(resolution, settings=None, problems=(*resolution.problems, *found))


def read_config(sources: Sources, default: str | None) -> NamedFile | None:
    """Read the configuration file that *sources* name, else *default* if it is there."""
    named = named_config(sources)
    if named is not None:
        return NamedFile(named[0], read_text(named[0]))
    return None if default is None else read_named(default)


def read_named(name: str) -> NamedFile | None:
    """Read a file that need not be there."""
    content = read_text(name)
    return None if content.missing else NamedFile(name, content)


def with_reasons(resolution: Resolution, files: Iterable[NamedFile]) -> Resolution:
    """Add to each finding about an unreadable file why it could not be read."""
    unread = {file.name: file.content.reason for file in files if file.content.text is None}
    if not unread:
        return resolution
    problems = tuple(with_reason(finding, unread) for finding in resolution.problems)
    return replace(resolution, problems=problems)


def with_reason(finding: Finding, unread: Mapping[str, str]) -> Finding:
    """Add the reason to the message of one finding, if it is about an unreadable file."""
    named = (name for name in sorted(unread, key=len, reverse=True) if name in finding.message)
    name = next(named, None) if finding.code == "unreadable-file" else None
    if name is None:
        return finding
    # Its kind is the core's guess; the reason says what it is in fact.
    message = finding.message.removesuffix(" as UTF-8 text")
    return replace(finding, message=f"{message}: {unread[name]}")


def read_text(path: str) -> FileText:
    """Read one small UTF-8 file; never waits, never raises for what the path may be."""
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        return FileText(None, "there is no such file", missing=True)
    except (OSError, ValueError) as error:
        return FileText(None, describe(error))
    if len(data) > MAX_FILE_BYTES:
        return FileText(None, f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    return decode(data)


def read_bytes(path: str) -> bytes:
    """Read at most one byte more than the bound.

    ``O_NONBLOCK``: opening a FIFO that nobody writes to would wait for ever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with io.FileIO(descriptor) as file:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe, not a file")
        return read_up_to(file, MAX_FILE_BYTES + 1)


def read_up_to(file: io.FileIO, bound: int) -> bytes:
    """Read to the end or to *bound* bytes; a device that has nothing yet is at its end."""
    parts: list[bytes] = []
    rest = bound
    while rest and (part := file.read(rest)):
        parts.append(part)
        rest -= len(part)
    return b"".join(parts)


def decode(data: bytes) -> FileText:
    """Decode UTF-8, without the mark that some editors put before it."""
    try:
        return FileText(data.removeprefix(codecs.BOM_UTF8).decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return FileText(None, f"line {line} is not UTF-8 text (byte 0x{data[error.start]:02x})")


def describe(error: Exception) -> str:
    """Say in the system's words why a file could not be opened or read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error)
