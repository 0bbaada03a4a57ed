"""A compiled set of origin patterns, asked once for each origin that no exact item names."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from portico.core.origin import OriginPattern

__all__ = ["PatternSet"]

_ANY_PORT = b"*"


@dataclass(frozen=True, slots=True)
class _Hosts:
    """What the patterns of one scheme and port say of the host.

    Attributes:
        exact: Whole hosts, from patterns with ``:*``.
        suffixes: ``.example.com`` for its subdomains, one label or more; no host begins with a dot.
    """

    exact: frozenset[bytes]
    suffixes: tuple[bytes, ...]

    def holds(self, host: bytes) -> bool:
        return host in self.exact or host.endswith(self.suffixes)


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Origin patterns by scheme and port."""

    hosts: dict[tuple[bytes, bytes | None], _Hosts]

    @classmethod
    def compile(cls, patterns: Iterable[OriginPattern]) -> "PatternSet":
        """Gather *patterns*, which need not be distinct."""
        gathered: defaultdict[tuple[bytes, bytes | None], set[OriginPattern]] = defaultdict(set)
        for pattern in patterns:
            port = None if pattern.port is None else pattern.port.encode()
            gathered[pattern.scheme.encode(), port].add(pattern)
        return cls({key: _compile_hosts(group) for key, group in gathered.items()})

    def match(self, scheme: bytes, host: bytes, port: bytes | None) -> bool:
        """Whether an origin, in its canonical parts, is of one of the patterns."""
        named = self.hosts.get((scheme, port))
        if named is not None and named.holds(host):
            return True
        # `:*` also stands for no explicit port.
        anywhere = self.hosts.get((scheme, _ANY_PORT))
        return anywhere is not None and anywhere.holds(host)


def _compile_hosts(patterns: Iterable[OriginPattern]) -> _Hosts:
    exact = {pattern.host.encode() for pattern in patterns if not pattern.subdomains}
    suffixes = {f".{pattern.host}".encode() for pattern in patterns if pattern.subdomains}
    return _Hosts(frozenset(exact), tuple(sorted(suffixes)))
