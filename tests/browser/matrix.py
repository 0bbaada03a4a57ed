"""The matrix of cross-origin fetches: a product of lists, each item once.

A row is one policy from one origin; a column is one ``fetch``. What a browser makes of each is not
written here: the test compares Chromium with ``explain``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any, Final, Literal

Headers = tuple[tuple[str, str], ...]
Credentials = Literal["omit", "include"]

EXAMPLE: Final = "https://example.com"

POLICIES: Final = MappingProxyType[str, dict[str, Any]](
    {
        "none": {"origins": [EXAMPLE]},
        "any": {"origins": ["*"]},
        "any_listed": {
            "origins": ["*"],
            "methods": ["PUT"],
            "request_headers": ["x-a"],
            "max_age": 0,
        },
        "any_star": {"origins": ["*"], "methods": ["*"], "request_headers": ["*"]},
        "any_authorised": {
            "origins": ["*"],
            "methods": ["*"],
            "request_headers": ["*", "Authorization"],
        },
        "listed": {
            "origins": [EXAMPLE, "http://localhost:*"],
            "credentials": True,
            "methods": ["PUT", "PATCH", "CHICKEN"],
            "request_headers": ["Content-Type", "Authorization", "X-A"],
            "max_age": 600,
        },
        "listed_deny": {
            "origins": [EXAMPLE, "https://*.example.com"],
            "credentials": True,
            "methods": ["PUT", "patch"],
            "request_headers": ["Content-Type", "X-A"],
            "preflight_failure": "deny",
        },
        "star_with_credentials": {
            "origins": ["https://*.example.com:*", EXAMPLE],
            "credentials": True,
            "methods": ["*"],
            "request_headers": ["*"],
        },
        "star_deny": {
            "origins": [EXAMPLE],
            "methods": ["*"],
            "request_headers": ["*"],
            "preflight_failure": "deny",
        },
        "opaque": {
            "origins": [EXAMPLE],
            "allow_null": True,
            "methods": ["DELETE"],
            "request_headers": ["X-A", "Range"],
            "preflight_status": 200,
        },
        "static": {
            "origins": [EXAMPLE],
            "credentials": True,
            "static_origin": True,
            "methods": ["PUT", "DELETE"],
            "request_headers": ["Authorization"],
        },
    }
)

ORIGINS: Final = (
    EXAMPLE,
    "https://app.example.com",
    "https://app.example.com:8443",
    "http://localhost:5173",
    "https://evil.test",
    "null",
)

DEFAULT: Final = "default"
"""The policy of the server itself, without any setting."""

DEFAULT_ORIGINS: Final = (
    "http://localhost:3000",
    "https://app.letta.com",
    "https://letta.com",
    "null",
)

CREDENTIALS: Final[tuple[Credentials, ...]] = ("omit", "include")

SIMPLE: Final = tuple(product(("GET", "HEAD", "POST"), ((),)))
METHODS: Final = tuple(
    (method, ()) for method in ("PUT", "put", "PATCH", "patch", "delete", "CHICKEN", "TRACE")
)
HEADERS: Final = tuple(
    ("GET", headers)
    for headers in (
        (("x-a", "1"),),
        (("X-A", "1"), ("x-b", "2")),
        (("authorization", "Bearer t"),),
        (("range", "bytes=0-9"),),
        (("range", "bytes=-9"),),
        (("accept", "a:b"),),
        (("accept-language", "de"),),
    )
)
BOTH: Final = (
    ("POST", (("content-type", "text/plain"),)),
    ("POST", (("content-type", "application/json"),)),
    ("POST", (("content-type", "text/plain;" + "a" * 118),)),
    ("PUT", (("content-type", "application/json"), ("x-a", "1"))),
    ("DELETE", (("authorization", "Bearer t"),)),
    ("CHICKEN", (("authorization", "Bearer t"), ("x-a", "1"))),
)
REQUESTS: Final[tuple[tuple[str, Headers], ...]] = (*SIMPLE, *METHODS, *HEADERS, *BOTH)


@dataclass(frozen=True, slots=True)
class Fetch:
    """One cell: a script on *origin* fetches from a server under *policy*.

    Attributes:
        number: Unique in the matrix; it stands in the URL, so that no cell meets another's cache.
    """

    number: int
    policy: str
    origin: str
    method: str
    headers: Headers
    credentials: Credentials

    def __str__(self) -> str:
        headers = " ".join(f"{name}:{value[:20]!r}" for name, value in self.headers)
        return f"{self.origin} {self.method} {headers} {self.credentials} under {self.policy}"


def matrix(origins: Iterable[str] = ORIGINS, policies: Iterable[str] = POLICIES) -> Iterator[Fetch]:
    """Return every cell, origin by origin; the requests are always all."""
    cells = product(origins, policies, REQUESTS, CREDENTIALS)
    for number, (origin, policy, (method, headers), credentials) in enumerate(cells):
        yield Fetch(number, policy, origin, method, headers, credentials)
