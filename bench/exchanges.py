"""The requests that every benchmark sends: a browser's, with nine headers."""

ORIGINS = (
    "http://letta.localhost",
    "http://localhost:8283",
    "http://localhost:8083",
    "http://localhost:3000",
    "http://localhost:4200",
    "https://app.letta.com",
)
"""The origins that the reference documentation allows."""

ALLOWED = b"http://localhost:3000"
REFUSED = b"https://evil.example"
PATH = b"/v1/health/"

Headers = list[tuple[bytes, bytes]]

BROWSER: Headers = [
    (b"host", b"127.0.0.1:8283"),
    (b"connection", b"keep-alive"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0"),
    (b"accept", b"*/*"),
    (b"sec-fetch-site", b"cross-site"),
    (b"sec-fetch-mode", b"cors"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"accept-language", b"en-GB,en;q=0.9"),
]
"""The eight headers of a browser's fetch, but for Origin."""

RESPONSE: Headers = [(b"content-type", b"application/json"), (b"content-length", b"34")]
"""The headers of the application's answer."""


def from_origin(origin: bytes) -> Headers:
    """A browser's nine headers, Origin where Chromium puts it."""
    return [*BROWSER[:4], (b"origin", origin), *BROWSER[4:]]


def preflight(*asked_headers: bytes) -> Headers:
    """A preflight from an allowed origin, one line for each of *asked_headers*."""
    method = (b"access-control-request-method", b"PUT")
    lines = ((b"access-control-request-headers", value) for value in asked_headers)
    return [*from_origin(ALLOWED), method, *lines]


MEBIBYTE = 1 << 20
HOSTILE_PREFLIGHTS = {
    "names": preflight(b"".join(b"x%06d," % number for number in range(MEBIBYTE // 8))),
    "commas": preflight(b"," * MEBIBYTE),
    "one name": preflight(b"x" * MEBIBYTE),
    "256 lines": preflight(*(b"x%03d," % number * 800 for number in range(256))),
}
"""Preflights that ask for a mebibyte of header names, by what it is made of."""


def wire(headers: Headers) -> bytes:
    """The GET of `PATH` as HTTP/1.1 bytes."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"GET %s HTTP/1.1\r\n%s\r\n" % (PATH, lines)
