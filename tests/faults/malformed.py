"""Requests that are not HTTP/1.1, each as bytes; the clause says why (RFC 9112 unless named)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

HEAD: Final = b"GET /full/echo HTTP/1.1\r\n"
HOST: Final = b"Host: test\r\n"
POST: Final = b"POST /full/echo HTTP/1.1\r\n" + HOST
CHUNKED: Final = POST + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED: Final = MappingProxyType(
    {
        # 3: the request line
        "no request line": b"nonsense\r\n\r\n",
        "an empty method": b" /full/echo HTTP/1.1\r\n" + HOST + b"\r\n",
        "a method that is no token": b"GE(T /full/echo HTTP/1.1\r\n" + HOST + b"\r\n",
        "no target": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
        "no version": b"GET /full/echo\r\n" + HOST + b"\r\n",
        "a version that is none": b"GET /full/echo HTTP/x.y\r\n" + HOST + b"\r\n",
        "HTTP/3.0 in clear": b"GET /full/echo HTTP/3.0\r\n" + HOST + b"\r\n",
        "a space in the target": b"GET /full/ec ho HTTP/1.1\r\n" + HOST + b"\r\n",
        "NUL in the target": b"GET /full/echo\0 HTTP/1.1\r\n" + HOST + b"\r\n",
        "a control byte in the target": b"GET /full/echo\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
        "NUL in the method": b"GE\0T /full/echo HTTP/1.1\r\n" + HOST + b"\r\n",
        "TLS in clear": bytes.fromhex("16030100") + b"\xc6\x01\x00\x00\xc2\x03\x03" + bytes(64),
        "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        # 3.2: exactly one Host
        "no Host": HEAD + b"\r\n",
        "two Hosts": HEAD + HOST + b"Host: other\r\n\r\n",
        # 5: header fields
        "no colon in a header": HEAD + HOST + b"X-A\r\n\r\n",
        "an empty header name": HEAD + HOST + b": a\r\n\r\n",
        "a space before the colon": HEAD + HOST + b"X-A : 1\r\n\r\n",
        "a header name that is no token": HEAD + HOST + b"X(A): 1\r\n\r\n",
        "NUL in a header": HEAD + HOST + b"X-A: a\0b\r\n\r\n",
        "a control byte in a header": HEAD + HOST + b"X-A: a\x01b\r\n\r\n",
        "a bare CR in a header": HEAD + HOST + b"X-A: a\rX-B: b\r\n\r\n",
        "a folded first header": HEAD + b" folded: 1\r\n" + HOST + b"\r\n",
        # 6: framing, each a way to smuggle a request
        "Content-Length that is no number": POST + b"Content-Length: ten\r\n\r\n0123456789",
        "Content-Length below zero": POST + b"Content-Length: -1\r\n\r\n",
        "Content-Length with a sign": POST + b"Content-Length: +10\r\n\r\n0123456789",
        "two Content-Lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "Content-Length and Transfer-Encoding": (
            POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        "an unknown Transfer-Encoding": POST + b"Transfer-Encoding: cow\r\n\r\n0\r\n\r\n",
        "chunked that is not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "chunked twice": (
            POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        # 7.1: chunks
        "a chunk size that is none": CHUNKED + b"zz\r\nab\r\n0\r\n\r\n",
        "a chunk size below zero": CHUNKED + b"-1\r\nab\r\n0\r\n\r\n",
        "a chunk size of 2**64": CHUNKED + b"10000000000000000\r\nab\r\n0\r\n\r\n",
        "a chunk longer than its size": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
        # no clause bounds a head; the server must
        "a target of 1 MiB": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        "a header of 1 MiB": HEAD + HOST + b"X-A: " + b"a" * (1 << 20) + b"\r\n\r\n",
        "a head of 10000 headers": HEAD + HOST + b"X-A: 1\r\n" * 10_000 + b"\r\n",
    }
)

# What gets through for now: the engine takes it, and the policy does not look. Each row is tested
# to be so, and goes with the check that makes it false.
ANSWERED: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "hypercorn": {},
        "uvicorn": {},
        # Closed behind it, as RFC 9112 6.1 has it.
        "granian": {"Content-Length and Transfer-Encoding": 200},
    }
)
"""Status of the first answer, by engine and name."""

WAITING: Final = MappingProxyType({"hypercorn": frozenset({"a chunk size of 2**64"})})
"""What an engine takes for the beginning of something that may yet come."""
