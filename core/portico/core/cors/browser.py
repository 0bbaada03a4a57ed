"""What a browser does with a cross-origin request: what it sends, and what it lets through.

Follows the Fetch standard; where Chromium differs, the verdict says so.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from portico.core.cors.fetch import (
    FORBIDDEN_METHODS,
    SAFELISTED_METHODS,
    TOKEN,
    is_forbidden_request_header,
    normalise_method,
)
from portico.core.events import Headers, RequestHead

__all__ = [
    "ClientRequest",
    "Stage",
    "Verdict",
    "Why",
    "actual_request",
    "judge_actual",
    "judge_method",
    "judge_preflight",
    "preflight_request",
    "unsafe_header_names",
]

Lines: TypeAlias = Sequence[tuple[bytes, bytes]]

Stage: TypeAlias = Literal["api", "preflight", "actual"]

Why: TypeAlias = Literal[
    "ForbiddenMethod",
    "MissingAllowOrigin",
    "MultipleAllowOriginValues",
    "InvalidAllowOriginValue",
    "WildcardOriginNotAllowed",
    "AllowOriginMismatch",
    "InvalidAllowCredentials",
    "InvalidStatus",
    "MethodDisallowed",
    "HeaderDisallowed",
]

MAX_SAFE_VALUE_BYTES = 128
MAX_SAFE_TOTAL_BYTES = 1024

_UNSAFE_BYTE = re.compile(rb'[\x00-\x08\x0a-\x1f"():<>?@\[\\\]{}\x7f]')
_LANGUAGE = re.compile(rb"[0-9A-Za-z *,\-.;=]*")
_MIME_ESSENCE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+)[\t\n\r ]*(?:;.*)?", re.DOTALL
)
_RANGE = re.compile(rb"bytes=([0-9]+)-([0-9]*)")
_ORIGIN_LINE = re.compile(rb"[a-z][a-z0-9+.-]*://[^\s,/]+|null|\*")
_HTTP_SPACE = b"\t\n\r "
_SAFE_ESSENCES = frozenset(
    {b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain"}
)


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What a page asks ``fetch`` for, in mode ``cors``.

    Attributes:
        origin: The page's origin, or ``null``.
        method: As the page writes it.
        headers: As the page sets them; names in any case.
        credentials: ``include``, or what sends none across origins.

    Raises:
        ValueError: A method or a header name is no token, or a value cannot stand in a header:
            ``fetch`` itself throws then.
    """

    origin: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Literal["omit", "same-origin", "include"] = "omit"

    def __post_init__(self) -> None:
        if self.credentials not in ("omit", "same-origin", "include"):
            raise ValueError(f"{self.credentials!r} is neither omit, same-origin nor include")
        for text in (self.method, *(name for name, _ in self.headers)):
            if not TOKEN.fullmatch(text.encode("utf-8", "replace")):
                raise ValueError(f"{text!r} is neither a method nor a header name")
        for text in (self.origin, *(value for _, value in self.headers)):
            if any(ord(c) > 255 or c in "\0\r\n" for c in text.strip("\t\n\r ")):
                raise ValueError(f"{text!r} has characters that no header can hold")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a browser makes of an answer.

    Attributes:
        why: Why it blocks, or None when it lets pass.
        chromium_allows: Whether Chromium lets pass what the standard blocks.
    """

    why: Why | None = None
    chromium_allows: bool = False


_PASS = Verdict()


def judge_method(client: ClientRequest) -> Verdict:
    """Whether ``fetch`` takes the method at all (#dom-request, #forbidden-method)."""
    forbidden = client.method.upper().encode() in FORBIDDEN_METHODS
    return Verdict("ForbiddenMethod") if forbidden else _PASS


def unsafe_header_names(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Names that a preflight has to ask for (#cors-unsafe-request-header-names).

    Args:
        headers: Names lower-case, values without surrounding white space.

    Returns:
        Sorted and distinct.
    """
    safe: list[tuple[bytes, bytes]] = []
    unsafe: set[bytes] = set()
    for name, value in headers:
        if _is_safelisted(name, value):
            safe.append((name, value))
        else:
            unsafe.add(name)
    if sum(len(value) for _, value in safe) > MAX_SAFE_TOTAL_BYTES:
        unsafe.update(name for name, _ in safe)
    return sorted(unsafe)


def _is_safelisted(name: bytes, value: bytes) -> bool:
    """#cors-safelisted-request-header."""
    if len(value) > MAX_SAFE_VALUE_BYTES:
        return False
    match name:
        case b"accept":
            return not _UNSAFE_BYTE.search(value)
        case b"accept-language" | b"content-language":
            return _LANGUAGE.fullmatch(value) is not None
        case b"content-type":
            return not _UNSAFE_BYTE.search(value) and _essence(value) in _SAFE_ESSENCES
        case b"range":
            return _is_simple_range(value)
        case _:
            return False


def _essence(value: bytes) -> bytes | None:
    """The type and subtype of a media type (MIME Sniffing #parse-a-mime-type)."""
    match = _MIME_ESSENCE.fullmatch(value.strip(_HTTP_SPACE))
    return None if match is None else match[1].lower()


def _is_simple_range(value: bytes) -> bool:
    """One range with a start (#simple-range-header-value); a suffix range is not."""
    match = _RANGE.fullmatch(value)
    return match is not None and (not match[2] or int(match[1]) <= int(match[2]))


def _sent_headers(client: ClientRequest) -> Headers:
    """What ``Headers`` keeps: names lower-case, values stripped, forbidden ones dropped."""
    lines = (
        (name.lower().encode(), value.encode("latin-1").strip(_HTTP_SPACE))
        for name, value in client.headers
    )
    return [line for line in lines if not _is_dropped(*line)]


def _is_dropped(name: bytes, value: bytes) -> bool:
    """#forbidden-request-header, with the three that smuggle a method."""
    if name in (b"x-http-method", b"x-http-method-override", b"x-method-override"):
        methods = (item.strip(b" \t").upper() for item in value.split(b","))
        return not FORBIDDEN_METHODS.isdisjoint(methods)
    return is_forbidden_request_header(name)


def preflight_request(client: ClientRequest) -> RequestHead | None:
    """The preflight that a browser sends first, or None when it sends none.

    Source: #cors-preflight-fetch-0 steps 1 to 5, #main-fetch.
    """
    method = normalise_method(client.method.encode())
    names = unsafe_header_names(_sent_headers(client))
    if method in SAFELISTED_METHODS and not names:
        return None
    headers = [
        (b"accept", b"*/*"),
        (b"access-control-request-method", method),
        (b"origin", client.origin.encode("latin-1")),
    ]
    if names:
        headers.insert(1, (b"access-control-request-headers", b",".join(names)))
    return RequestHead("OPTIONS", b"/", b"", headers)


def actual_request(client: ClientRequest) -> RequestHead:
    """The request itself, as it leaves the browser."""
    method = normalise_method(client.method.encode()).decode()
    origin = (b"origin", client.origin.encode("latin-1"))
    return RequestHead(method, b"/", b"", [*_sent_headers(client), origin])


def judge_preflight(client: ClientRequest, status: int, headers: Lines) -> Verdict:
    """Whether a preflight's answer lets the request go (#cors-preflight-fetch-0 step 7).

    Args:
        client: The request.
        status: Of the answer.
        headers: Of the answer, names lower-case.
    """
    if why := _check_origin(client, headers):
        return Verdict(why)
    if not 200 <= status <= 299:
        return Verdict("InvalidStatus")
    wildcard = client.credentials != "include"
    method = normalise_method(client.method.encode())
    methods = _list(headers, b"access-control-allow-methods")
    covered = method in methods or (wildcard and b"*" in methods)
    if method not in SAFELISTED_METHODS and not covered:
        return Verdict("MethodDisallowed")
    return _judge_names(client, headers, wildcard=wildcard)


def _judge_names(client: ClientRequest, headers: Lines, *, wildcard: bool) -> Verdict:
    unsafe = unsafe_header_names(_sent_headers(client))
    listed = {name.lower() for name in _list(headers, b"access-control-allow-headers")}
    missing = {name for name in unsafe if name not in listed}
    if not (wildcard and b"*" in listed):
        return Verdict("HeaderDisallowed") if missing else _PASS
    # `*` covers every name but this one (#cors-non-wildcard-request-header-name), except in
    # Chromium, which has never followed.
    if b"authorization" in missing:
        return Verdict("HeaderDisallowed", chromium_allows=True)
    return _PASS


def judge_actual(client: ClientRequest, headers: Lines) -> Verdict:
    """Whether the page may read the answer (#concept-cors-check).

    Args:
        client: The request.
        headers: Of the answer, names lower-case.
    """
    why = _check_origin(client, headers)
    return _PASS if why is None else Verdict(why)


def _check_origin(client: ClientRequest, headers: Lines) -> Why | None:
    """#concept-cors-check; the standard has one failure, which Chromium tells apart."""
    lines = [value for name, value in headers if name == b"access-control-allow-origin"]
    if not lines:
        return "MissingAllowOrigin"
    allowed = b", ".join(lines)
    if allowed == b"*" and client.credentials != "include":
        return None
    if allowed != client.origin.encode("latin-1"):
        return _mismatch(allowed)
    if client.credentials != "include":
        return None
    credentials = [v for name, v in headers if name == b"access-control-allow-credentials"]
    return None if credentials == [b"true"] else "InvalidAllowCredentials"


def _mismatch(allowed: bytes) -> Why:
    if allowed == b"*":
        return "WildcardOriginNotAllowed"
    if b"," in allowed or b" " in allowed:
        return "MultipleAllowOriginValues"
    return "AllowOriginMismatch" if _ORIGIN_LINE.fullmatch(allowed) else "InvalidAllowOriginValue"


def _list(headers: Lines, wanted: bytes) -> list[bytes]:
    lines = [value for name, value in headers if name == wanted]
    return [item.strip(b" \t") for line in lines for item in line.split(b",")]
