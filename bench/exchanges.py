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


def preflight(asked_headers: bytes) -> Headers:
    """A preflight from an allowed origin that asks for *asked_headers*."""
    asked = [
        (b"access-control-request-method", b"PUT"),
        (b"access-control-request-headers", asked_headers),
    ]
    return [*from_origin(ALLOWED), *asked]


def hostile_header_names(size: int) -> bytes:
    """*size* bytes of distinct one-letter-and-number header names, joined by commas."""
    names = b",".join(b"x%d" % number for number in range(size // 6))
    return names[:size].ljust(size, b"x")


def wire(headers: Headers) -> bytes:
    """The GET of `PATH` as HTTP/1.1 bytes."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"GET %s HTTP/1.1\r\n%s\r\n" % (PATH, lines)
