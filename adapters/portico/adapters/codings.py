"""Compressing bodies by the coding that an exchange names.

A shell compiles its policy with ``codings=OFFERED``. After `Exchange.response` it looks at
``exchange.coding``; unless that is None it makes one `encoder` for the answer and sends what
`Encoder.piece` gives for each piece of the body, the last one marked::

    encode = encoder(exchange.coding)
    send(encode(b"first", last=False))
    send(encode(b"", last=True))

gzip is the standard library's; br and zstd are there where ``brotli`` and ``zstandard`` are.
"""

import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, Protocol

__all__ = ["LARGE_PIECE", "OFFERED", "Encoder", "encoder"]

LARGE_PIECE: Final = 64 * 1024
"""From so many bytes a piece belongs in a thread: encoders let go of the interpreter's lock."""


class Encoder(Protocol):
    """Codes the body of one answer."""

    def __call__(self, data: bytes, /, *, last: bool) -> bytes:
        """Code a piece and let it out whole, so that nothing of a stream is held back."""


def _gzip() -> Encoder:
    stream = zlib.compressobj(level=5, wbits=31)

    def encode(data: bytes, /, *, last: bool) -> bytes:
        if not data and not last:
            return b""
        return stream.compress(data) + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)

    return encode


def _br() -> Encoder:
    import brotli

    stream = brotli.Compressor(quality=4)

    def encode(data: bytes, /, *, last: bool) -> bytes:
        if not data and not last:
            return b""
        coded: bytes = stream.process(data) + (stream.finish() if last else stream.flush())
        return coded

    return encode


def _zstd() -> Encoder:
    import zstandard

    stream = zstandard.ZstdCompressor(level=3).compressobj()
    block, finish = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH

    def encode(data: bytes, /, *, last: bool) -> bytes:
        if not data and not last:
            return b""
        return stream.compress(data) + stream.flush(finish if last else block)

    return encode


_ENCODERS: Final[dict[str, tuple[str, Callable[[], Encoder]]]] = {
    "zstd": ("zstandard", _zstd),
    "br": ("brotli", _br),
    "gzip": ("zlib", _gzip),
}

OFFERED: Final = tuple(name for name, (module, _) in _ENCODERS.items() if find_spec(module))
"""The codings that can be made here, the best first."""


def encoder(coding: str) -> Encoder:
    """Make the encoder for one answer.

    Args:
        coding: One of `OFFERED`.
    """
    return _ENCODERS[coding][1]()
