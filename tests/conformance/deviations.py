"""Where an engine cannot do what the others do; each is tested to be so, not passed over.

A row goes when its engine, or the host in front of its protocols, no longer differs.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from portico.testing import Difference, Gap, Request
from portico.testing.checking import find_gaps
from tests.conformance.calls import Call, Seen

LLHTTP_METHODS: Final = frozenset(
    {
        *("ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK"),
        *("M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS"),
        *("PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND", "REPORT"),
        *("SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE"),
    }
)

GAPS: Final[Mapping[str, Mapping[Gap, str]]] = MappingProxyType(
    {
        "wsgi": {
            Gap.WEBSOCKET: "PEP 3333 has none",
            Gap.REPEATED_FIELDS: "the environment has one value for each name, lines joined",
            Gap.UNDERSCORES: "the environment writes both as HTTP_X_A",
        },
        "rsgi": {
            Gap.REFUSED_HANDSHAKE: "a refusal is a status alone, and 101 has none of our headers",
            Gap.RAW_PATH: "the path comes decoded",
        },
    }
)
"""What an interface cannot say, so that no server could put such a vector to the adapter."""

REFUSED_BY_ENGINES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = MappingProxyType(
    {
        "hypercorn": {
            "method_malformed": (400, "h11 parses the request line"),
            "path_malformed": (400, "h11 parses the request line"),
            "fields_malformed": (400, "h11 takes one Host"),
            "version_unknown": (505, "the host in front of h11 answers it"),
            "host_missing": (400, "h11 demands it"),
            "length_malformed": (400, "h11 frames the body by it"),
            "path_ambiguous": (400, "h11 takes ASCII alone"),
            "target_form_refused": (400, "the host in front of h11 reduces targets to paths"),
            "connect_refused": (405, "the host in front of h11 reduces targets to paths"),
        },
        "uvicorn": {
            "method_malformed": (400, "llhttp parses the request line"),
            "path_malformed": (400, "llhttp parses the request line"),
            "length_malformed": (400, "llhttp frames the body by it"),
            "path_ambiguous": (400, "llhttp takes ASCII alone"),
            "target_form_refused": (400, "llhttp parses the target"),
            "connect_refused": (400, "llhttp takes CONNECT for an upgrade"),
        },
        "granian": {
            "method_malformed": (400, "hyper parses the request line"),
            "path_malformed": (400, "hyper parses the request line"),
            "version_unknown": (400, "hyper parses the request line"),
            "length_malformed": (400, "hyper frames the body by it"),
        },
    }
)
"""Status and parser, by the policy's reason: such bytes an engine may refuse before the policy."""


def find_gap(engine: str, vector: Mapping[str, Any]) -> Gap | None:
    """Give what keeps a vector from being put to a shell."""
    gaps = GAPS.get(engine, {})
    return next((gap for gap in gaps if gap in find_gaps(vector)), None)


def is_known(engine: str, request: Request, difference: Difference) -> bool:
    """Say whether *engine* is known to differ so."""
    return any(known(request, difference) for known in KNOWN.get(engine, {}))


def _loses_headers_of_101(request: Request, difference: Difference) -> bool:
    lost = difference.what.startswith("header ") and difference.came is None
    return request.head.kind == "websocket" and lost


def _is_of_another_authority(request: Request, _: Difference) -> bool:
    return request.head.path.startswith(b"http://evil.test")


def _shows_no_path(request: Request, difference: Difference) -> bool:
    return not request.head.path.startswith(b"/") and difference.what == "record url.path"


def _writes_1_for_1_0(_: Request, difference: Difference) -> bool:
    return difference.what == "record network.protocol.version" and difference.came == "1"


KNOWN: Final[Mapping[str, Mapping[Callable[[Request, Difference], bool], str]]] = MappingProxyType(
    {
        "uvicorn": {
            _is_of_another_authority: "it hands on the path of an absolute form, not its authority",
        },
        "granian": {
            _is_of_another_authority: "it hands on the path of an absolute form, not its authority",
            _loses_headers_of_101: "it sends no headers of ours with 101",
            _shows_no_path: "it shows an authority form as an empty path",
            _writes_1_for_1_0: "its version has no second digit",
        },
    }
)
"""What differs in an engine's answer or record, and why."""


def _is_websocket(call: Call) -> bool:
    return call.kind == "websocket"


def _repeats_a_name(call: Call) -> bool:
    names = [name for name, _ in call.parsed_headers()]
    return len(set(names)) < len(names)


def _blocks(call: Call) -> bool:
    return "/hang" in call.path


UNSAYABLE: Final[Mapping[str, Mapping[Callable[[Call], bool], str]]] = MappingProxyType(
    {
        "wsgi": {
            _is_websocket: "PEP 3333 has none",
            _repeats_a_name: "the environment has one value for each name, lines joined",
            _blocks: "a call that blocks cannot be cut short",
        }
    }
)
"""Calls that an interface cannot say, by why."""


def is_unsayable(engine: str, call: Call) -> bool:
    """Say whether no server could put *call* to the application through *engine*."""
    return any(applies(call) for applies in UNSAYABLE.get(engine, {}))


def is_unreadable(engine: str, call: Call) -> bool:
    """Say whether *engine* answers 400 before the policy sees the call.

    Uvicorn's parser, llhttp, knows a closed list of methods.
    """
    return engine == "uvicorn" and call.method not in LLHTTP_METHODS


def deviate(engine: str, call: Call, seen: Seen) -> Seen:
    """Return what *engine* makes of an answer that the reference gives to *call* as *seen*.

    Granian sends none of the application's headers with 101. Granian and the Trio host write the
    length of a body that came in one piece without one, where Uvicorn sends it in chunks. RSGI
    answers a handshake by a status alone.
    """
    if call.kind == "websocket" and engine == "rsgi":
        return replace(seen, headers=(), body=seen.body if seen.status == 101 else b"")
    if seen.status == 101 and engine == "granian":
        return replace(seen, headers=())
    if call.path == "/unframed" and engine in ("granian", "hypercorn"):
        length = ("content-length", str(len(seen.body)))
        return replace(seen, headers=tuple(sorted((*seen.headers, length))))
    return seen
