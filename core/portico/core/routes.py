"""Routes with flags: which requests need no password, and which always need it.

The two are read in opposite ways, both of them safe. A probe is exempt only if its raw path is
byte for byte the declared one, so that no spelling of another path becomes exempt. An
administrative path is guarded in whatever spelling a framework might still route to it.

Source: design page "Policy", Target and Authentication; CVE-2026-48710.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from portico.core.events import RequestHead

__all__ = ["ADMIN", "Route", "Routes"]

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})  # RFC 9110 9.2.1; probes need no other
_DECLARABLE: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*/?")
# What readers of a path may disagree on: escapes, case, dots, parameters, empty segments.
_AMBIGUOUS: Final = rb"[^0-9a-z_~/-]|//"
_PARAMETERS: Final = re.compile(rb"[;?#]")
_MOST_DECODINGS: Final = 3

Segments = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One declared route and its flags.

    Attributes:
        path: Path as it stands on the wire, such as ``/livez``.
        probe: GET and HEAD of exactly this path need no authentication.
        admin: This path and all below it need the password, also where nothing else does.
        reflects: Answers of this path and all below it repeat what the request says, so that they
            are not compressed for credentialed requests (BREACH).
        conditional: Answers of this path and all below it to GET get an entity tag, and are not
            sent again to a client that has them.

    Raises:
        ValueError: The path is not plain, or a probe is administrative.
    """

    path: str
    probe: bool = False
    admin: bool = False
    reflects: bool = False
    conditional: bool = False

    def __post_init__(self) -> None:
        if not self.path or not _DECLARABLE.fullmatch(self.path):
            raise ValueError(f"a declared path must be plain segments after a slash: {self.path!r}")
        if self.probe and self.admin:
            raise ValueError(f"an administrative route cannot be a probe: {self.path!r}")


ADMIN: Final = Route("/v1/admin", admin=True)
"""Guarded always, whatever the application declares."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The declared routes, compiled.

    Attributes:
        probes: Raw paths of the probes.
        reflecting: Beginnings of the paths that repeat what the request says.
        conditional: Beginnings of the paths whose answers are tagged.
        guarded: The segments that administrative paths contain.
        doubtful: Finds what makes a raw path worth reading closely: such segments, or anything
            that its readers may disagree on.
    """

    probes: frozenset[bytes]
    reflecting: tuple[bytes, ...]
    conditional: tuple[bytes, ...]
    guarded: tuple[Segments, ...]
    doubtful: re.Pattern[bytes]

    @classmethod
    def compile(cls, routes: Iterable[Route] = (), *, root_path: str = "") -> "Routes":
        """Compile *routes*, and `ADMIN` with them.

        Args:
            routes: What the application declares.
            root_path: Prefix under which a proxy shows the application; probes answer there too.
        """
        declared = (ADMIN, *routes)
        probes = [route.path for route in declared if route.probe]
        guarded = [route.path.rstrip("/").lower().encode() for route in declared if route.admin]
        doubtful = b"|".join([_AMBIGUOUS, *map(re.escape, guarded)])

        def beginnings(routes: Iterable[Route]) -> tuple[bytes, ...]:
            paths = [route.path.rstrip("/") for route in routes]
            return tuple(f"{at}{path}/".encode() for path in paths for at in ("", root_path))

        return cls(
            frozenset(f"{prefix}{path}".encode() for path in probes for prefix in ("", root_path)),
            beginnings(route for route in declared if route.reflects),
            beginnings(route for route in declared if route.conditional),
            tuple(_segments(path) for path in guarded),
            re.compile(doubtful),
        )

    def is_probe(self, head: RequestHead) -> bool:
        """Say whether *head* asks for a declared probe, spelled exactly as declared."""
        return head.path in self.probes and head.method in _SAFE_METHODS and head.kind == "http"

    def reflects(self, path: bytes) -> bool:
        """Say whether the raw *path* is, or lies below, one that repeats what the request says."""
        return (path + b"/").startswith(self.reflecting)

    def is_conditional(self, path: bytes) -> bool:
        """Say whether answers of the raw *path* are tagged."""
        return (path + b"/").startswith(self.conditional)

    def is_admin(self, path: bytes) -> bool:
        """Say whether any reader of the raw *path* might see an administrative one.

        The prefix counts wherever it stands, since a proxy's or a mount's may stand before it.
        """
        if self.doubtful.search(path) is None:
            return False
        readings = _readings(path)
        return any(_contains(segments, wanted) for segments in readings for wanted in self.guarded)


def _segments(path: bytes) -> Segments:
    return tuple(filter(None, path.split(b"/")))


def _contains(segments: Segments, wanted: Segments) -> bool:
    size = len(wanted)
    return any(segments[at : at + size] == wanted for at in range(len(segments) - size + 1))


def _readings(path: bytes) -> tuple[Segments, Segments]:
    """Read *path* as obliging frameworks would: decoded, in lower case, dots kept or resolved."""
    for _ in range(_MOST_DECODINGS):
        path = unquote_to_bytes(path)
    parts = path.replace(b"\\", b"/").lower().split(b"/")
    names = [_PARAMETERS.split(part, 1)[0].strip() for part in parts]
    kept = tuple(name for name in names if name not in (b"", b"."))
    return kept, _resolve(kept)


def _resolve(segments: Segments) -> Segments:
    """Take out ``..`` with the segment before it (RFC 3986 5.2.4)."""
    resolved: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            del resolved[-1:]
        else:
            resolved.append(segment)
    return tuple(resolved)
