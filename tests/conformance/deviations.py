"""Where an engine cannot do what the others do; each is tested to be so, not passed over.

A row goes when its engine, or the host in front of its protocols, no longer differs.
"""

from dataclasses import replace
from typing import Final

from tests.conformance.calls import Call, Seen

LLHTTP_METHODS: Final = frozenset(
    {
        *("ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK"),
        *("M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS"),
        *("PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND", "REPORT"),
        *("SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE"),
    }
)


def is_unreadable(engine: str, call: Call) -> bool:
    """Say whether *engine* answers 400 before the policy sees the call.

    Uvicorn's parser, llhttp, knows a closed list of methods.
    """
    return engine == "uvicorn" and call.method not in LLHTTP_METHODS


def as_handed_on(engine: str, call: Call) -> Call:
    """Return *call* as *engine* gives it to the application.

    Hypercorn writes every method in upper case.
    """
    return replace(call, method=call.method.upper()) if engine == "hypercorn" else call


def deviate(engine: str, call: Call, seen: Seen) -> Seen:
    """Return what *engine* makes of an answer that the reference gives to *call* as *seen*.

    Granian sends none of the application's headers with 101, and writes the length of a body that
    came in one piece without one, where the others send it in chunks. Hypercorn reports a client
    that closes its WebSocket in order (1000) as one that is lost (1006).
    """
    if seen.status == 101 and engine == "granian":
        return replace(seen, headers=())
    if call.path == "/unframed" and engine == "granian":
        length = ("content-length", str(len(seen.body)))
        return replace(seen, headers=tuple(sorted((*seen.headers, length))))
    if seen.status == 101 and engine == "hypercorn":
        return replace(seen, outcome="client_disconnected")
    return seen
