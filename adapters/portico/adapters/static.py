"""The files of a directory as an ASGI application, on asyncio and on Trio.

    app = StaticFiles("/srv/site", spa=True)

It can be mounted in another application, below a root path. No symbolic link below the directory
is followed, not even one that stays inside; the directory itself may be one, and is looked up at
each request, so that a deployment can swap it. What is no regular file, or may not be read, is not
there. A file is read in threads, by pieces; no more and no less of it is sent than was announced.

Source: ASGI 3, HTTP and lifespan (https://asgi.readthedocs.io/en/stable/specs/www.html).
"""

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from anyio import CancelScope, create_task_group, to_thread

from portico.adapters.asgi_call import Receive, Send, current_exchange
from portico.adapters.files import OpenFile, describe, open_file, open_folder
from portico.adapters.scope import Scope, read_head
from portico.core.encoding import negotiate
from portico.core.events import RequestHead
from portico.core.problem import Problem
from portico.core.ranges import Span
from portico.core.static import (
    INDEX,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    SIBLINGS,
    File,
    FilePath,
    StaticAnswer,
    decide,
    is_navigation,
    join_fields,
    parse_path,
    redirect,
    wants_sibling,
)

__all__ = ["PIECE_BYTES", "StaticFiles"]

PIECE_BYTES: Final = 128 * 1024
"""Of a longer body so much is held in memory at once."""

_Found = tuple[File, OpenFile]
_Decision = tuple[StaticAnswer | Problem, OpenFile | None]


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """An ASGI application that serves the files below a directory.

    Attributes:
        directory: Where they are.
        spa: Whether a navigation to what is no file gets the directory's index.html.
        wall: Unix seconds.
    """

    directory: str
    spa: bool = False
    wall: Callable[[], float] = time.time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a WebSocket is refused."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case _:
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = read_head(scope)
        root_path = quote(scope.get("root_path", "")).encode("ascii")
        answer, file = await to_thread.run_sync(self._prepare, head, root_path)
        start = {
            "type": "http.response.start",
            "status": answer.head.status,
            "headers": answer.head.headers,
        }
        if file is None:
            await send(start)
            body = b"".join(_pieces(answer.parts, None))
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return

        async def stream() -> None:
            await send(start)
            await _send_pieces(_pieces(answer.parts, file), send)

        try:
            await _while_connected(stream, receive)
        finally:
            file.close()

    def _prepare(self, head: RequestHead, root_path: bytes) -> tuple[StaticAnswer, OpenFile | None]:
        """Decide the answer, in a thread; what is short is read here too, and so closed at once."""
        answer, file = self._decide(head, root_path)
        if isinstance(answer, Problem):
            response = answer.respond(_request_id(), head_only=head.method == "HEAD")
            answer = StaticAnswer(response.head, (response.body,))
        if head.method == "HEAD":
            answer = replace(answer, parts=())
        if file is None or answer.length > PIECE_BYTES:
            return answer, file
        try:
            return replace(answer, parts=tuple(_pieces(answer.parts, file))), None
        finally:
            file.close()

    def _decide(self, head: RequestHead, root_path: bytes) -> _Decision:
        if head.method not in ("GET", "HEAD"):
            return METHOD_NOT_ALLOWED, None
        path = parse_path(_below(head.path, root_path))
        if isinstance(path, Problem):
            return path, None
        fields = join_fields(head.headers)
        accepted = fields.get(b"accept-encoding")
        found = self._look_up(path, accepted)
        if found is None and not path.is_folder and self._has(path.index):
            return redirect(head.path, head.query), None
        if found is None and self.spa and is_navigation(fields, path):
            found = self._fall_back(accepted)
        if found is None:
            return NOT_FOUND, None
        file, opened = found
        boundary = os.urandom(16).hex().encode()
        return decide(head, file, wall=self.wall(), boundary=boundary), opened

    def _fall_back(self, accepted: bytes | None) -> _Found | None:
        found = self._look_up(FilePath((), INDEX), accepted)
        return found and (replace(found[0], is_fallback=True), found[1])

    def _look_up(self, path: FilePath, accepted: bytes | None) -> _Found | None:
        try:
            with open_folder(self.directory, path.folders) as folder:
                return _open_best(folder, path.name, accepted)
        except (FileNotFoundError, IsADirectoryError):
            return None

    def _has(self, path: FilePath) -> bool:
        try:
            with open_folder(self.directory, path.folders) as folder:
                describe(folder, path.name)
        except (FileNotFoundError, IsADirectoryError):
            return False
        return True


def _open_best(folder: int, name: bytes, accepted: bytes | None) -> _Found:
    """Open the file, or the sibling whose coding the client likes best."""
    opened = open_file(folder, name)
    if accepted is None or not wants_sibling(name):
        return _found(name, opened, None)
    modified_ns = opened.stat().st_mtime_ns
    offered = [
        coding for coding, end in SIBLINGS.items() if _is_current(folder, name + end, modified_ns)
    ]
    coding = negotiate(accepted, offered)
    if coding is not None:
        with suppress(FileNotFoundError, IsADirectoryError):  # a deployment may have taken it
            sibling = open_file(folder, name + SIBLINGS[coding])
            opened.close()
            return _found(name, sibling, coding)
    return _found(name, opened, None)


def _found(name: bytes, opened: OpenFile, coding: str | None) -> _Found:
    status = opened.stat()
    return File(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, coding), opened


def _is_current(folder: int, name: bytes, modified_ns: int) -> bool:
    """Say whether a sibling is there, and no older than the file that it was made from."""
    try:
        return describe(folder, name).st_mtime_ns >= modified_ns
    except (FileNotFoundError, IsADirectoryError):
        return False


def _below(path: bytes, root_path: bytes) -> bytes:
    """Take off the root path, with which ASGI's paths begin."""
    rest = path.removeprefix(root_path)
    return rest if not root_path or rest.startswith(b"/") else path


def _request_id() -> str:
    exchange = current_exchange.get()
    return "" if exchange is None else exchange.request_id


def _pieces(parts: tuple[bytes | Span, ...], file: OpenFile | None) -> Iterator[bytes]:
    """Give a body by pieces, reading each as it is asked for."""
    for part in parts:
        if isinstance(part, bytes):
            yield part
        elif file is not None:
            for start in range(part.start, part.stop, PIECE_BYTES):
                yield file.read(start, min(PIECE_BYTES, part.stop - start))


async def _send_pieces(pieces: Iterator[bytes], send: Send) -> None:
    while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _while_connected(work: Callable[[], Awaitable[None]], receive: Receive) -> None:
    """Work until it is done or the client has left: some engines do not tell that to a sender."""
    failure: Exception | None = None
    async with create_task_group() as group:
        group.start_soon(_watch, receive, group.cancel_scope)
        try:
            await work()
        except Exception as error:
            failure = error  # raised below: as it is, and in no group
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _watch(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _live(receive: Receive, send: Send) -> None:
    """Say that there is nothing to start and nothing to stop."""
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})
