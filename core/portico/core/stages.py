"""The stages that judge a request's head, each a thin piece between the exchange and its rule.

Their order stands in `Policy.compile`.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from portico.core.auth import AUTH_HEADERS, REFUSALS, AuthPolicy
from portico.core.context import CONTEXT_HEADERS, read_context
from portico.core.events import Headers, RequestHead, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.failures import FAILURE_REFUSALS, FailureLimit
from portico.core.pipeline import Verdict
from portico.core.problem import Problem, Refusal
from portico.core.syntax import (
    Columns,
    are_fields_sound,
    has_control,
    has_host,
    is_method,
    is_version,
)
from portico.core.tracing import TRACING_HEADERS, TrustedPeers, read_request_id, start_trace

__all__ = ["Authentication", "Context", "Cors", "Syntax", "Tracing"]

METHOD_MALFORMED: Final = Refusal(
    "method_malformed", Problem(400, "The method is not a token (RFC 9110 9.1).")
)
PATH_MALFORMED: Final = Refusal(
    "path_malformed", Problem(400, "The path holds a control character or a space.")
)
FIELDS_MALFORMED: Final = Refusal(
    "fields_malformed",
    Problem(
        400,
        "The header holds a control character, a second Host, or a body framed in two ways.",
    ),
)
HOST_MISSING: Final = Refusal(
    "host_missing", Problem(400, "A request in HTTP/1.1 names its Host (RFC 9112 3.2).")
)
VERSION_UNKNOWN: Final = Refusal(
    "version_unknown", Problem(505, "This server speaks HTTP/1.1 and HTTP/2.")
)


@dataclass(frozen=True, slots=True)
class Tracing:
    """Gives the request its id and its place in a trace.

    Attributes:
        peers: Whose ``traceparent`` is believed.
    """

    peers: TrustedPeers
    name: ClassVar[str] = "tracing"
    reads: ClassVar = TRACING_HEADERS
    settings: ClassVar[tuple[str, ...]] = ("proxy.trusted",)
    refusals: ClassVar[tuple[Refusal, ...]] = ()

    def request(self, exchange: Exchange) -> None:
        """Name the request."""
        needed = exchange.needed
        exchange.request_id = read_request_id(needed, exchange.entropy)
        trusted = bool(needed) and self.peers.trusts(exchange.peer)
        exchange.trace = start_trace(needed, trusted=trusted, entropy=exchange.entropy)


class Context:
    """Reads the log context."""

    __slots__ = ()
    name: ClassVar[str] = "context"
    reads: ClassVar[frozenset[bytes]] = frozenset(CONTEXT_HEADERS)
    settings: ClassVar[tuple[str, ...]] = ()
    refusals: ClassVar[tuple[Refusal, ...]] = ()

    def request(self, exchange: Exchange) -> None:
        """Collect the identifiers."""
        head = exchange.head
        exchange.context = read_context(head.path, head.query, exchange.needed)


class Syntax:
    """Refuses heads that HTTP's grammar does not allow, as far as engines let them through."""

    __slots__ = ()
    name: ClassVar[str] = "syntax"
    reads: ClassVar[frozenset[bytes]] = frozenset()
    settings: ClassVar[tuple[str, ...]] = ()
    refusals: ClassVar[tuple[Refusal, ...]] = (
        METHOD_MALFORMED,
        PATH_MALFORMED,
        FIELDS_MALFORMED,
        VERSION_UNKNOWN,
        HOST_MISSING,
    )

    def request(self, exchange: Exchange) -> Verdict:
        """Refuse with 400 or 505, and end the connection: nobody knows what follows."""
        head = exchange.head
        refusal = _find_malformed(head, exchange.fields)
        return None if refusal is None else refusal.closing(head.http_version)


def _find_malformed(head: RequestHead, fields: Columns) -> Refusal | None:
    if not is_method(head.method):
        return METHOD_MALFORMED
    if has_control(head.path):
        return PATH_MALFORMED
    if not are_fields_sound(fields):
        return FIELDS_MALFORMED
    if not is_version(head.http_version):
        return VERSION_UNKNOWN
    return HOST_MISSING if head.http_version == "1.1" and not has_host(head, fields) else None


class Cors:
    """Answers preflights and refuses handshakes; all else gets its CORS headers at the end."""

    __slots__ = ()
    name: ClassVar[str] = "cors"
    reads: ClassVar[frozenset[bytes]] = frozenset()
    settings: ClassVar[tuple[str, ...]] = ("cors.",)
    refusals: ClassVar[tuple[Refusal, ...]] = ()  # its codes are those of `CorsDecision`

    def request(self, exchange: Exchange) -> Verdict:
        """Answer what the application must not see."""
        decision = exchange.cors
        if decision.status is None:
            return None
        if decision.kind == "websocket":
            detail = "This Origin may not open a WebSocket here: see cors.origins."
            return Refusal(decision.reason, Problem(decision.status, detail))
        exchange.reason = None if decision.allowed else decision.reason
        # RFC 9110 8.6: a 204 has no Content-Length; the CORS headers follow at the end.
        empty = [] if decision.status == 204 else [(b"content-length", b"0")]
        return Respond(ResponseHead(decision.status, empty), b"")


@dataclass(frozen=True, slots=True)
class Authentication:
    """Demands the password where it is needed.

    Attributes:
        policy: Where that is, and whether a request has it.
        failures: How many an address may have, or None where there is nothing to compare with.
    """

    policy: AuthPolicy
    failures: FailureLimit | None = None
    name: ClassVar[str] = "authentication"
    reads: ClassVar = AUTH_HEADERS
    settings: ClassVar[tuple[str, ...]] = (
        "auth.required",
        "auth.password",
        "ratelimit.auth_failures",
        "ratelimit.store",
        "ratelimit.on_store_failure",
    )
    refusals: ClassVar[tuple[Refusal, ...]] = (*REFUSALS, *FAILURE_REFUSALS)

    def request(self, exchange: Exchange) -> Verdict:
        """Find the principal, or refuse with 401, 403 or 429."""
        credentials = [line for line in exchange.needed if line[0] in AUTH_HEADERS]
        if self.failures is None or not credentials:
            return self._authenticate(exchange, credentials)
        return self.failures.guard(exchange, credentials, self._authenticate)

    def _authenticate(self, exchange: Exchange, credentials: Headers) -> Verdict:
        verdict = self.policy.decide(exchange.head, credentials)
        if isinstance(verdict, Refusal):
            return verdict
        exchange.principal = verdict
        return None
