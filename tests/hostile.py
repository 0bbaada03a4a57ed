"""Text that clients send to spoil a log: ends of lines, escapes, marks, and sheer length."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "carriage return": b"a\rb",
        "line feed": b'a\n{"event":"access"}',
        "escape": b"\x1b[31mred",
        "nul": b"a\x00b",
        "line separator": "a\u2028b\u2029".encode(),
        "bidi": "a\u202eb\u2066".encode(),
        "no UTF-8": b"\xff\xfe\xc0\x80",
        "quotes": b"a\"b\\c'",
        "64 kB": b"x" * 65536,
        "16 kB": b"y" * 16384,
        "64 kB of escapes": "\u2028".encode() * 20000,
    }
)
