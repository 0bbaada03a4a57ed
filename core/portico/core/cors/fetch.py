"""The Fetch standard's name tables, which server and browser must read alike.

All names are lower-case bytes, methods upper-case.
"""

import re

__all__ = [
    "CORS_RESPONSE_HEADERS",
    "FORBIDDEN_METHODS",
    "FORBIDDEN_RESPONSE_HEADERS",
    "NORMALISED_METHODS",
    "SAFELISTED_METHODS",
    "SAFELISTED_RESPONSE_HEADERS",
    "TOKEN",
    "is_forbidden_request_header",
    "normalise_method",
]

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 5.6.2."""

SAFELISTED_METHODS = frozenset({b"GET", b"HEAD", b"POST"})
"""Fetch #cors-safelisted-method: a browser sends them whatever the preflight says."""

FORBIDDEN_METHODS = frozenset({b"CONNECT", b"TRACE", b"TRACK"})
"""Fetch #forbidden-method, in any case: no page can send them."""

NORMALISED_METHODS = frozenset({b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT"})
"""Fetch #concept-method-normalize: a browser upper-cases these, and no other."""

SAFELISTED_RESPONSE_HEADERS = frozenset(
    {
        b"cache-control",
        b"content-language",
        b"content-length",
        b"content-type",
        b"expires",
        b"last-modified",
        b"pragma",
    }
)
"""Fetch #cors-safelisted-response-header-name: readable without being exposed."""

FORBIDDEN_RESPONSE_HEADERS = frozenset({b"set-cookie", b"set-cookie2"})
"""Fetch #forbidden-response-header-name: no page can read them."""

CORS_RESPONSE_HEADERS = frozenset(
    {
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-allow-private-network",
        b"access-control-expose-headers",
        b"access-control-max-age",
    }
)
"""Fetch #http-responses: in a request they mean nothing."""

_FORBIDDEN_REQUEST_HEADERS = frozenset(
    {
        b"accept-charset",
        b"accept-encoding",
        b"access-control-request-headers",
        b"access-control-request-method",
        b"access-control-request-private-network",
        b"connection",
        b"content-length",
        b"cookie",
        b"cookie2",
        b"date",
        b"dnt",
        b"expect",
        b"host",
        b"keep-alive",
        b"origin",
        b"referer",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
    }
)


def is_forbidden_request_header(name: bytes) -> bool:
    """Whether no page can set this header (Fetch #forbidden-request-header).

    Args:
        name: Lower-case field name.
    """
    return name in _FORBIDDEN_REQUEST_HEADERS or name.startswith((b"proxy-", b"sec-"))


def normalise_method(method: bytes) -> bytes:
    """Upper-case the six methods that browsers upper-case (Fetch #concept-method-normalize)."""
    upper = method.upper()
    return upper if upper in NORMALISED_METHODS else method
