"""Puts every vector to an adapter, and compares what comes with what the bare exchange gives."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from portico.core.events import Abort, Ask, Headers, Proceed, RequestHead, Respond, ResponseHead
from portico.core.policy import Policy
from portico.testing.vectors import Vector, encode, head_of, policy_of, read_vectors

__all__ = [
    "AdapterError",
    "Answer",
    "Application",
    "Client",
    "Difference",
    "Gap",
    "MakeClient",
    "Request",
    "check_adapter",
]

BODY: Final = b"the application's body"
PEER: Final = "192.0.2.1"
_ENTROPY: Final = bytes(range(1, 25))
# What a server may say of itself and of its connection.
_SERVERS_OWN: Final = frozenset(
    {"connection", "date", "keep-alive", "server", "transfer-encoding", "content-length"}
)
_ESCAPABLE: Final = re.compile(rb"[^A-Za-z0-9/:@!$&'()*+,;=._~-]")
_BY_CHANCE: Final = frozenset({"timestamp", "request_id", "trace_id", "span_id"})
_TIMES: Final = frozenset({"duration_s", "ttfb_s"})


class Gap(StrEnum):
    """What an interface cannot say, so that vectors that need it are left out."""

    WEBSOCKET = "websocket"
    RAW_PATH = "raw-path"
    REPEATED_FIELDS = "repeated-fields"
    REFUSED_HANDSHAKE = "refused-handshake"


@dataclass(frozen=True, slots=True)
class Application:
    """What the application behind the adapter does: it reads the whole body, then answers.

    Attributes:
        status: Its status.
        headers: Its field lines.
        body: What it answers; a WebSocket is accepted and then closed with 1000.
    """

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as a server reads it.

    Attributes:
        head: Its head.
        pieces: Its body, piece by piece.
        peer: Address of its client, or None.
    """

    head: RequestHead
    pieces: tuple[bytes, ...]
    peer: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    Attributes:
        status: 101 for a WebSocket that was accepted.
        headers: Field lines, names in any case.
        body: Whole body.
        records: Fields of every access record that the adapter handed out (`AccessRecord.fields`).
    """

    status: int
    headers: Headers
    body: bytes
    records: tuple[Mapping[str, object], ...]


Client: TypeAlias = Callable[[Request], Answer]
MakeClient: TypeAlias = Callable[[Policy, Application], Client]


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


class AdapterError(AssertionError):
    """The adapter does not conform.

    Attributes:
        differences: Every one, in the order of the vectors.
    """

    def __init__(self, differences: tuple[Difference, ...], checked: int) -> None:
        wrong = len({difference.vector for difference in differences})
        lines = [f"{wrong} of {checked} vectors are not answered like the bare exchange"]
        super().__init__("\n  ".join([*lines, *map(str, differences)]))
        self.differences = differences


def check_adapter(make_client: MakeClient, *, without: Collection[Gap] = ()) -> int:
    """Put every vector to an adapter.

    Args:
        make_client: Makes a client of an application behind the adapter.
        without: What the adapter's interface cannot say.

    Returns:
        How many vectors were checked.

    Raises:
        AdapterError: With every difference.
    """
    vectors = [vector for vector in read_vectors() if _needs(vector).isdisjoint(without)]
    vectors = [vector for vector in vectors if not {"in_flight", "answers"} & vector.keys()]
    found = [difference for vector in vectors for difference in _check(make_client, vector)]
    if found:
        raise AdapterError(tuple(found), len(vectors))
    return len(vectors)


def _needs(vector: Vector) -> set[Gap]:
    """Say what an interface must be able to say for a vector to be put to it."""
    head = head_of(vector["request"])
    names = [name for name, _ in head.headers]
    needs = {
        Gap.WEBSOCKET: head.kind == "websocket",
        Gap.REFUSED_HANDSHAKE: head.kind == "websocket",
        Gap.RAW_PATH: _ESCAPABLE.search(head.path) is not None,
        Gap.REPEATED_FIELDS: len(set(names)) < len(names),
    }
    return {gap for gap, needed in needs.items() if needed}


def _check(make_client: MakeClient, vector: Vector) -> Iterator[Difference]:
    request = _request_of(vector)
    application = _application_of(vector)
    policy = policy_of(vector)
    expected = perform(policy, application, request)
    try:
        came = make_client(policy, application)(request)
    except Exception as error:
        yield Difference(vector["id"], "exception", None, error)
        return
    if len(came.records) != 1:
        yield Difference(vector["id"], "access records", 1, len(came.records))
        return
    wanted, given = _facts(expected, request), _facts(came, request)
    for what in sorted(wanted.keys() | given.keys()):
        if wanted.get(what) != given.get(what):
            yield Difference(vector["id"], what, wanted.get(what), given.get(what))


def _request_of(vector: Vector) -> Request:
    sizes = vector["request"].get("body", ())
    pieces = tuple(b"x" * size for size in sizes)
    return Request(head_of(vector["request"]), pieces, vector.get("peer", PEER))


def _application_of(vector: Vector) -> Application:
    own = vector.get("application", {})
    lines = [(encode(name), encode(value)) for name, value in own.get("headers", ())]
    return Application(own.get("status", 200), lines, BODY)


def perform(policy: Policy, application: Application, request: Request) -> Answer:
    """Take a request through the bare exchange, which is the reference of all adapters."""
    exchange = policy.exchange(peer=request.peer, now=1.0, wall=2.0, entropy=_ENTROPY)
    step: Proceed | Respond | Ask | Abort = exchange.request(request.head)
    for piece in request.pieces:
        if isinstance(step, Proceed):
            step = exchange.receive_body(len(piece))
    if isinstance(step, Respond):
        head, body = step.head, step.body
    else:
        websocket = request.head.kind == "websocket"
        own = ResponseHead(101 if websocket else application.status, list(application.headers))
        head = exchange.response(own, now=1.5)
        body = b"" if websocket or request.head.method == "HEAD" else application.body
        exchange.send_body(len(body))
        body = body if exchange.substitute is None else exchange.substitute
    return Answer(head.status, head.headers, body, (exchange.finish(now=2.0).fields(),))


def _facts(answer: Answer, request: Request) -> dict[str, object]:
    """Give what must be the same everywhere, what chance decides written ``<made>``."""
    made = _made_id(answer, request)
    facts: dict[str, object] = {"status": answer.status, "body": _hide(answer.body, made)}
    for raw, value in answer.headers:
        name = raw.decode("latin-1").lower()
        if name not in _SERVERS_OWN:
            key = f"header {name}"
            facts[key] = (*_lines(facts.get(key)), _hide(value, made))
    for name, item in answer.records[0].items():
        facts[f"record {name}"] = _shown(name, item)
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
