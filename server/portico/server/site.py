"""A directory of files beside the API: what ``portico serve --static`` serves."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from portico.adapters.engine import ASGIApp, Receive, Scope, Send
from portico.adapters.static import StaticFiles
from portico.core.static import INDEX


class SiteError(Exception):
    """There are no files to serve; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the command line says of the files.

    Attributes:
        directory: Absolute, and looked up again at each request.
        spa: Whether a navigation to what is no file gets its index.html.
    """

    directory: str
    spa: bool = False

    @classmethod
    def of(cls, directory: str | None, *, spa: bool, target: str | None) -> Self | None:
        """Read the options ``--static`` and ``--spa``.

        Raises:
            SiteError: They do not go together, or not with TARGET.
        """
        if directory is None:
            if spa:
                raise SiteError("--spa says how --static DIR is served: name the directory too")
            return None
        if target is not None:
            raise SiteError(
                "--static goes with the server's own API: in TARGET, mount"
                " portico.adapters.static.StaticFiles"
            )
        if not directory:
            raise SiteError("--static names no directory")
        return cls(str(Path(directory).absolute()), spa)

    def check(self) -> None:
        """Try what would fail at each request.

        Raises:
            SiteError: The directory cannot be read, or has no page for ``--spa``.
        """
        try:
            os.close(os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY))
        except OSError as error:
            raise SiteError(f"--static {self.directory}: {error.strerror}") from error
        if self.spa and not (Path(self.directory) / os.fsdecode(INDEX)).is_file():
            raise SiteError(f"--spa: {self.directory} has no index.html")

    def files(self) -> StaticFiles:
        """Make what serves the files."""
        return StaticFiles(self.directory, spa=self.spa)


@dataclass(frozen=True, slots=True)
class Beside:
    """An API under its own first segments, and files for every other path.

    Below such a segment nothing is a file: a mistyped path of the API stays a problem, and never
    becomes a page.

    Attributes:
        api: What serves its own paths, WebSockets and the lifespan.
        files: What serves the rest.
        own: First segments of the API's paths.
    """

    api: ASGIApp
    files: ASGIApp
    own: frozenset[str]

    @classmethod
    def by_rules(cls, api: ASGIApp, files: ASGIApp, rules: Iterable[str]) -> Self:
        """Take the API's segments from its routes; ``/`` alone is the files'."""
        return cls(api, files, frozenset(_first(rule) for rule in rules) - {""})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the lifespan."""
        is_file = scope["type"] == "http" and _first(_path(scope)) not in self.own
        await (self.files if is_file else self.api)(scope, receive, send)


def _first(path: str) -> str:
    return path.removeprefix("/").partition("/")[0]


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
