"""Log context: who and what a request is about, from its headers, path and query.

Source: design page "Policy", Context and tracing; RFC 9562 5.4 (UUID version 4).
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from portico.core.events import Headers

__all__ = ["CONTEXT_HEADERS", "CONTEXT_KEYS", "NO_CONTEXT", "LogContext", "read_context"]

LogContext = Mapping[str, str]
"""Context key, such as ``agent_id``, to the identifier as it was sent."""

CONTEXT_HEADERS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"user_id": "actor_id",
        b"x-project-id": "project_id",
        b"x-organization-id": "org_id",
        b"x-agent-id": "agent_id",
        b"x-run-id": "run_id",
        b"run-id": "run_id",
    }
)
"""Header to context key; of two headers for one key the one that stands first here counts."""

_PREFIXES: Final = (
    *("agent", "message", "run", "job", "group", "block", "file", "source", "folder", "tool"),
    *("archive", "passage", "provider", "sandbox", "step", "identity", "mcp_server", "user"),
    *("org", "batch_item", "batch_req", "provider_trace"),
)
CONTEXT_KEYS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        **{prefix.encode(): f"{prefix}_id" for prefix in _PREFIXES},
        b"conv": "conversation_id",
        b"organization": "org_id",
    }
)
"""Prefix of an identifier in path or query to context key."""

MAX_VALUE: Final = 256
"""Characters kept of a header's value; the longest identifier has 51."""

NO_CONTEXT: Final[LogContext] = MappingProxyType({})
_SHORTEST: Final = min(map(len, CONTEXT_KEYS))
_LONGEST: Final = max(map(len, CONTEXT_KEYS))
_UUID_LENGTH: Final = 36
_MIN_LENGTH: Final = _SHORTEST + 1 + _UUID_LENGTH

# One expression finds every identifier. A prefix starts only where no unreserved character
# (RFC 3986 2.3) or escape ends, and is bounded, so that hostile text is walked in linear time.
_IDENTIFIER: Final = re.compile(
    rb"(?<![0-9A-Za-z._~%%-])([a-z_]{%d,%d}+)-"
    rb"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"
    rb"(?![0-9A-Za-z._~%%-])" % (_SHORTEST, _LONGEST)
)


def read_context(path: bytes, query: bytes, headers: Headers) -> LogContext:
    """Collect the identifiers of one request, in time linear in its length.

    The path wins over the query, the query over headers; within one of them the first wins.

    Args:
        path: Raw percent-encoded path.
        query: Raw query, without ``?``.
        headers: Field lines, names lower-case.

    Returns:
        Context key to identifier; nothing for a request that names none.
    """
    context: dict[str, str] = {}
    # Most paths and queries are shorter than any identifier.
    if len(path) >= _MIN_LENGTH:
        _add_identifiers(context, path)
    if len(query) >= _MIN_LENGTH:
        _add_identifiers(context, query)
    if headers:
        _add_headers(context, headers)
    return context or NO_CONTEXT


def _add_identifiers(context: dict[str, str], text: bytes) -> None:
    for match in _IDENTIFIER.finditer(text):
        key = CONTEXT_KEYS.get(match[1])
        if key is not None:
            context.setdefault(key, match[0].decode("ascii"))


def _add_headers(context: dict[str, str], headers: Iterable[tuple[bytes, bytes]]) -> None:
    sent: dict[bytes, str] = {}
    for name, value in headers:
        if name in CONTEXT_HEADERS and (text := _text(value)):
            sent.setdefault(name, text)
    for name, key in CONTEXT_HEADERS.items():
        if name in sent:
            context.setdefault(key, sent[name])


def _text(value: bytes) -> str:
    return value[:MAX_VALUE].decode("utf-8", "backslashreplace").strip()[:MAX_VALUE]
