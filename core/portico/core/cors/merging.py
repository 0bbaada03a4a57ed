"""Joining a decision's headers with those of any response."""

from collections.abc import Iterable, Iterator

from portico.core.cors.decision import CorsDecision, HeaderLines
from portico.core.cors.fetch import CORS_RESPONSE_HEADERS
from portico.core.events import Headers

__all__ = ["merge"]

VARY = b"vary"
ACEH = b"access-control-expose-headers"
ACAC = b"access-control-allow-credentials"

# The policy alone speaks CORS, also where it grants nothing: an application cannot hand out what
# it refused. The other two are the application's until the policy sets them.
_OWNED = CORS_RESPONSE_HEADERS - {ACEH}
_OWNED_WHEN_SET = frozenset({b"timing-allow-origin", b"cross-origin-resource-policy"})
_TOUCHED = _OWNED | _OWNED_WHEN_SET | {VARY, ACEH}


def merge(
    decision: CorsDecision | HeaderLines | Headers, response_headers: Iterable[tuple[bytes, bytes]]
) -> Headers:
    """Apply a decision to a response (row 27).

    The policy's own names replace the application's: two Access-Control-Allow-Origin lines always
    fail (Fetch #concept-cors-check). Access-Control-Expose-Headers and Vary are united, without
    regard to case and repeats; ``*`` absorbs the rest.

    Args:
        decision: The decision, or its header lines.
        response_headers: The application's lines, names in any case.

    Returns:
        A new list: the application's other lines as they were, then the policy's in lower case.
        Merging once more changes nothing.
    """
    ours = decision.headers if isinstance(decision, CorsDecision) else decision
    theirs = list(response_headers)
    touched = [line for line in theirs if line[0].lower() in _TOUCHED]
    if not touched:
        return [*theirs, *ours]
    return _merge_touched(dict(ours), theirs)


def _merge_touched(ours: dict[bytes, bytes], theirs: Headers) -> Headers:
    dropped = _OWNED | {VARY, ACEH} | (_OWNED_WHEN_SET & ours.keys())
    merged = [line for line in theirs if line[0].lower() not in dropped]
    united = {name: _unite(name, ours, theirs) for name in (ACEH, VARY)}
    for name, value in ours.items():
        merged.append((name, united.pop(name, value)))
    return merged + [(name, value) for name, value in united.items() if value]


def _unite(name: bytes, ours: dict[bytes, bytes], theirs: Headers) -> bytes:
    """Unite a list over all its lines: the application's names first, in its spelling."""
    lines = [value for key, value in theirs if key.lower() == name]
    distinct: dict[bytes, bytes] = {}
    for item in _items((*lines, ours.get(name, b""))):
        distinct.setdefault(item.lower(), item)
    # With credentials `*` in Access-Control-Expose-Headers is a name like any other
    # (Fetch #cors-protocol-and-credentials): dropping the rest would hide it.
    if b"*" in distinct and not (name == ACEH and ACAC in ours):
        return b"*"
    return (b", " if name == VARY else b",").join(distinct.values())


def _items(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield from filter(None, (item.strip(b" \t") for item in line.split(b",")))
