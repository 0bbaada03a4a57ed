"""A compiled set of origin patterns, asked once for each origin that no exact item names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from portico.core.origin import OriginPattern

__all__ = ["PatternSet"]

_ANY_PORT = b"*"


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Origin patterns by scheme and port, so that a lookup costs the origin's labels only.

    Hosts of ``:*`` patterns stand as they are, those of ``*.`` patterns with a leading dot, which
    no host has.
    """

    hosts: dict[tuple[bytes, bytes | None], frozenset[bytes]]

    @classmethod
    def compile(cls, patterns: Iterable[OriginPattern]) -> "PatternSet":
        """Gather *patterns*, which need not be distinct."""
        hosts: defaultdict[tuple[bytes, bytes | None], set[bytes]] = defaultdict(set)
        for pattern in patterns:
            port = None if pattern.port is None else pattern.port.encode()
            dot = "." if pattern.subdomains else ""
            hosts[pattern.scheme.encode(), port].add(f"{dot}{pattern.host}".encode())
        return cls({key: frozenset(names) for key, names in hosts.items()})

    def match(self, scheme: bytes, host: bytes, port: bytes | None) -> bool:
        """Whether an origin, in its canonical parts, is of one of the patterns."""
        # `:*` also stands for no explicit port.
        return any(
            not names.isdisjoint(_names_of(host))
            for wanted in (port, _ANY_PORT)
            if (names := self.hosts.get((scheme, wanted))) is not None
        )


def _names_of(host: bytes) -> Iterator[bytes]:
    """The host itself and every domain above it, those with their leading dot."""
    yield host
    dot = host.find(b".")
    while dot != -1:
        yield host[dot:]
        dot = host.find(b".", dot + 1)
