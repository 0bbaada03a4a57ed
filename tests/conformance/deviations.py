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


def deviate(engine: str, call: Call, seen: Seen) -> Seen:
    """Return what *engine* makes of an answer that the reference gives to *call* as *seen*.

    Granian sends none of the application's headers with 101. Granian and the Trio host write the
    length of a body that came in one piece without one, where Uvicorn sends it in chunks.
    """
    if seen.status == 101 and engine == "granian":
        return replace(seen, headers=())
    if call.path == "/unframed" and engine in ("granian", "hypercorn"):
        length = ("content-length", str(len(seen.body)))
        return replace(seen, headers=tuple(sorted((*seen.headers, length))))
    return seen
