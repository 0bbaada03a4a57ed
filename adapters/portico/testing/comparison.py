"""What of an answer must be the same from every adapter."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from portico.testing.requests import Answer, Request

__all__ = ["Difference", "compare"]

# What a server may say of itself and of its connection.
_SERVERS_OWN: Final = frozenset(
    {"connection", "date", "keep-alive", "server", "transfer-encoding", "content-length"}
)
_HANDSHAKES_OWN: Final = frozenset({"upgrade", "sec-websocket-accept", "sec-websocket-extensions"})
_BY_CHANCE: Final = frozenset({"timestamp", "request_id", "trace_id", "span_id"})
_TIMES: Final = frozenset({"duration_s", "ttfb_s"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that an adapter does otherwise than the exchange.

    Attributes:
        vector: Its id.
        what: What differs, such as ``status`` or ``header vary``.
        expected: As the exchange gives it.
        came: As the adapter gave it.
    """

    vector: str
    what: str
    expected: object
    came: object

    def __str__(self) -> str:
        return f"{self.vector}: {self.what}: expected {self.expected!r}, came {self.came!r}"


def compare(vector: str, expected: Answer, came: Answer, request: Request) -> Iterator[Difference]:
    """Give each difference between two answers to *request*."""
    if len(came.records) != 1:
        yield Difference(vector, "access records", 1, len(came.records))
        return
    wanted, given = _facts(expected, request), _facts(came, request)
    for what in sorted(wanted.keys() | given.keys()):
        if wanted.get(what) != given.get(what):
            yield Difference(vector, what, wanted.get(what), given.get(what))


def _facts(answer: Answer, request: Request) -> dict[str, object]:
    """Give what must be the same everywhere, what chance decides written ``<made>``."""
    made = _made_id(answer, request)
    coding = _coding(answer)
    body = _DECODERS[coding](answer.body) if coding in _DECODERS else answer.body
    facts: dict[str, object] = {"status": answer.status, "body": _hide(body, made)}
    own = _SERVERS_OWN | (_HANDSHAKES_OWN if request.head.kind == "websocket" else frozenset())
    for raw, value in answer.headers:
        name = raw.decode("latin-1").lower()
        if name not in own:
            key = f"header {name}"
            facts[key] = (*_lines(facts.get(key)), _hide(value, made))
    for name, item in answer.records[0].items():
        facts[f"record {name}"] = _shown(name, item)
    if coding in _DECODERS:  # bytes of one coding depend on how its body was cut in pieces
        facts["record response_bytes"] = facts["record response_bytes"] == len(answer.body)
    return facts


def _lines(found: object) -> tuple[bytes, ...]:
    return found if isinstance(found, tuple) else ()


def _shown(name: str, value: Any) -> object:
    if name in _TIMES:
        return isinstance(value, float) and value >= 0
    return "<made>" if name in _BY_CHANCE else value


def _made_id(answer: Answer, request: Request) -> bytes:
    """Give the request id, where it is not the client's."""
    given = {value for _, value in request.head.headers}
    ids = [value for name, value in answer.headers if name.lower() == b"x-request-id"]
    return ids[0] if ids and ids[0] not in given else b""


def _hide(value: bytes, made: bytes) -> bytes:
    return value.replace(made, b"<made>") if made else value


def _coding(answer: Answer) -> bytes:
    codings = [value for name, value in answer.headers if name.lower() == b"content-encoding"]
    return codings[0] if codings else b""


def _gunzip(body: bytes) -> bytes:
    return zlib.decompress(body, wbits=31)


def _unbrotli(body: bytes) -> bytes:
    import brotli

    whole: bytes = brotli.decompress(body)
    return whole


def _unzstd(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


_DECODERS: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"gzip": _gunzip,
    b"br": _unbrotli,
    b"zstd": _unzstd,
}
