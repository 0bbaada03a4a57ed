"""A compiled set of origin patterns, asked once for each origin that no exact item names."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from portico.core.origin import OriginPattern

__all__ = ["PatternSet"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatternSet:
    """Origin patterns as prefixes and suffixes, so that an origin need not be taken apart.

    A pattern is its scheme and an end: ``.example.com`` for the subdomains of a host, since in a
    canonical origin a label stands before it; ``//example.com`` for the host itself.

    Attributes:
        ends: For each scheme with its colon, the ends of whole origins and, for patterns with
            ``:*``, the ends of origins without their port.
    """

    ends: tuple[tuple[bytes, tuple[bytes, ...], tuple[bytes, ...]], ...]

    @classmethod
    def compile(cls, patterns: Iterable[OriginPattern]) -> "PatternSet":
        """Gather *patterns*, which need not be distinct."""
        whole: defaultdict[str, set[bytes]] = defaultdict(set)
        portless: defaultdict[str, set[bytes]] = defaultdict(set)
        for pattern in patterns:
            end = f"{'.' if pattern.subdomains else '//'}{pattern.host}"
            port = "" if pattern.port in (None, "*") else f":{pattern.port}"
            whole[pattern.scheme].add(f"{end}{port}".encode())  # `:*` stands for no port too
            if pattern.port == "*":
                portless[pattern.scheme].add(end.encode())
        return cls(
            tuple(
                (f"{scheme}:".encode(), tuple(sorted(ends)), tuple(sorted(portless[scheme])))
                for scheme, ends in sorted(whole.items())
            )
        )

    def match(self, origin: bytes) -> bool:
        """Whether a canonical origin is of one of the patterns."""
        for scheme, whole, portless in self.ends:
            if origin.startswith(scheme):
                return origin.endswith(whole) or (
                    # Without a port this cuts inside the scheme or an address: no end fits then.
                    bool(portless) and origin.rpartition(b":")[0].endswith(portless)
                )
        return False
