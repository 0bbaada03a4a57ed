"""A WSGI request's body, counted as the application reads it.

Source: PEP 3333, Input and Error Streams.
"""

from collections.abc import Iterator
from typing import Any, Protocol

__all__ = ["CountedBody", "Counter"]


class Counter(Protocol):
    """Who counts."""

    def count(self, size: int) -> None:
        """Count a piece; what it raises ends the reading."""

    def lose_body(self) -> None:
        """Note that the body broke off."""


class CountedBody:
    """``wsgi.input`` in front of the server's own; other names of that one pass through."""

    def __init__(self, body: Any, counter: Counter) -> None:
        self._body = body
        self._counter = counter

    def read(self, *size: int) -> bytes:
        """Read so many bytes, or all."""
        return self._counted(self._body.read, *size)

    def readline(self, *size: int) -> bytes:
        """Read a line."""
        return self._counted(self._body.readline, *size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Read lines; their sizes count one by one, so that no bound is overrun by a long list."""
        lines: list[bytes] = []
        taken = 0
        for line in self:
            lines.append(line)
            taken += len(line)
            if 0 < hint <= taken:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def _counted(self, read: Any, *size: int) -> bytes:
        try:
            data: bytes = read(*size)
        except OSError:
            self._counter.lose_body()
            raise
        if data:
            self._counter.count(len(data))
        return data
