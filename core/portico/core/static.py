"""Static files and single-page applications: which file a path names, and how it is answered.

The shell opens what `parse_path` names, tells what it found as a `File`, and sends what `decide`
says. Files whose names begin with a dot are not there, but for what is below ``/.well-known/``.

Sources: design page "Policy", Response; RFC 3986 2.1; RFC 8615; RFC 9110 8.8, 9.3, 13, 14;
RFC 9111 5.2.2; RFC 8246 (immutable); Fetch Metadata (Sec-Fetch-Mode).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from portico.core.encoding import is_compressible
from portico.core.events import Headers, RequestHead, ResponseHead
from portico.core.http_dates import format_date
from portico.core.media_types import media_type
from portico.core.preconditions import Validators, allows_ranges, evaluate
from portico.core.problem import Problem
from portico.core.ranges import Span, parse_ranges

__all__ = [
    "INDEX",
    "METHOD_NOT_ALLOWED",
    "NOT_FOUND",
    "SIBLINGS",
    "File",
    "FilePath",
    "StaticAnswer",
    "caching",
    "decide",
    "is_navigation",
    "join_fields",
    "parse_path",
    "redirect",
    "wants_sibling",
]

INDEX: Final = b"index.html"
WELL_KNOWN: Final = b".well-known"

SIBLINGS: Final[Mapping[str, bytes]] = MappingProxyType(
    {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
)
"""What a file's name has in addition where it is coded already; the smallest in general first."""

NOT_FOUND: Final = Problem(404, "There is no file at this path.")
METHOD_NOT_ALLOWED: Final = Problem(
    405, "Files are there for GET and HEAD alone.", ((b"allow", b"GET, HEAD"),)
)
MALFORMED: Final = Problem(
    400, "The path holds a broken escape, an encoded slash, a backslash or a control character."
)
PRECONDITION_FAILED: Final = Problem(
    412, "The file is not, or no longer, the one that the request's conditions name."
)

MOST_SEGMENTS: Final = 64
MOST_NAME_BYTES: Final = 255  # NAME_MAX of Linux
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN: Final = re.compile(rb"[\x00-\x1f\x7f/\\]")

# A content hash between separators: hexadecimal of mixed kinds, or the eight of Base64 or Base32
# that bundlers write, with a digit before its last letter, which words and versions do not have.
_HASHED: Final = re.compile(
    rb"(?:^|.*[._-])(?:"
    rb"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}"
    rb"|(?=[A-Za-z_-]*[0-9]+[A-Za-z_-])(?=[^A-Z]*[A-Z])[A-Za-z0-9_-]{8}"
    rb")(?:\.[a-z0-9]+)+"
)
# No ``public``: what was asked for with a password is in no shared cache (RFC 9111 3.5).
_FOREVER: Final = b"max-age=31536000, immutable"
_REVALIDATE: Final = b"no-cache"

_TEXT_HTML: Final = re.compile(rb"(?:^|,)[ \t]*text/html[ \t]*(?:;[^,]*)?(?=,|$)", re.IGNORECASE)
_ZERO_WEIGHT: Final = re.compile(rb";[ \t]*q=0(?:\.0*)?[ \t]*(?:,|;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FilePath:
    """A file by names that lead to it from the root; none of them leads anywhere else.

    Attributes:
        folders: Names of the folders on the way.
        name: The file's; `INDEX` where the path ends with a slash.
        is_folder: Whether it does.
    """

    folders: tuple[bytes, ...]
    name: bytes
    is_folder: bool = False

    @property
    def index(self) -> "FilePath":
        """The index of the folder that the path names without its last slash."""
        return FilePath((*self.folders, self.name), INDEX, is_folder=True)

    @property
    def has_extension(self) -> bool:
        """Whether the path itself looks like a file's."""
        return not self.is_folder and b"." in self.name


def parse_path(path: bytes) -> FilePath | Problem:
    """Read a raw path below the root.

    Args:
        path: Percent-encoded bytes that begin with a slash, without query and root path.

    Returns:
        Where the file would be; else 400 for what has no one meaning, 404 for what is never there.
    """
    first, *segments = path.split(b"/", MOST_SEGMENTS + 1)
    if first or not segments or _BROKEN_ESCAPE.search(path):
        return MALFORMED
    names = [unquote_to_bytes(segment) for segment in segments]
    if len(names) <= MOST_SEGMENTS and any(map(_FORBIDDEN.search, names)):
        return MALFORMED
    *folders, name = names
    shown = names[1:] if folders and names[0] == WELL_KNOWN else names
    if len(names) > MOST_SEGMENTS or not all(map(_is_served, shown[:-1])):
        return NOT_FOUND
    if not name:
        return FilePath(tuple(folders), INDEX, is_folder=True)
    return FilePath(tuple(folders), name) if _is_served(name) else NOT_FOUND


def _is_served(name: bytes) -> bool:
    """Say whether a file or folder of this name can be there for a client."""
    return 0 < len(name) <= MOST_NAME_BYTES and not name.startswith(b".")


def join_fields(headers: Headers) -> dict[bytes, bytes]:
    """Give a request's fields by name, lines of one name joined (RFC 9110 5.3)."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = b"%b, %b" % (fields[name], value) if name in fields else value
    return fields


def is_navigation(fields: Mapping[bytes, bytes], path: FilePath) -> bool:
    """Say whether GET or HEAD asks for a page to show, as a browser does at a new address.

    So that a script or picture that is missing is missing, and no page in its place.
    """
    if path.has_extension or fields.get(b"sec-fetch-mode", b"navigate") != b"navigate":
        return False
    accepted = _TEXT_HTML.search(fields.get(b"accept", b""))
    return accepted is not None and _ZERO_WEIGHT.search(accepted[0]) is None


def caching(name: bytes) -> bytes:
    """Give Cache-Control: a name that holds its content's hash never gets another content."""
    page = media_type(name).startswith(b"text/html")
    return _REVALIDATE if page or _HASHED.fullmatch(name) is None else _FOREVER


def wants_sibling(name: bytes) -> bool:
    """Say whether a file of this *name* may have siblings that are coded already."""
    return is_compressible(media_type(name))


@dataclass(frozen=True, slots=True)
class File:
    """A regular file, as it was found.

    Attributes:
        name: Of the file that is asked for, also where a coded sibling takes its place.
        size: In bytes.
        modified_ns: Unix nanoseconds of its last change by its own word.
        changed_ns: The same by the file system's, which nobody can set.
        coding: The content coding of a sibling.
        is_fallback: Whether it stands for a path that is no file.
    """

    name: bytes
    size: int
    modified_ns: int
    changed_ns: int
    coding: str | None = None
    is_fallback: bool = False

    def validators(self, wall: float) -> Validators:
        """Give the validators; a change within this very second may be followed by another.

        The file system's own time is in the tag, for images and archives set all others to one.
        """
        coding = f"-{self.coding}" if self.coding else ""
        tag = f'"{self.size:x}-{self.modified_ns:x}-{self.changed_ns:x}{coding}"'
        # RFC 9110 8.8.2.1: never later than the answer itself.
        modified = max(0, min(self.modified_ns // 1_000_000_000, int(wall)))
        settled = max(self.modified_ns, self.changed_ns) / 1e9 + 1 <= wall
        return Validators(tag.encode("ascii"), modified, strong=settled)

    @property
    def vary(self) -> Headers:
        """What of the request the answer depends on (RFC 9110 12.5.5)."""
        names = [b"Accept-Encoding"] if wants_sibling(self.name) else []
        names += [b"Accept", b"Sec-Fetch-Mode"] if self.is_fallback else []
        return [(b"vary", b", ".join(names))] if names else []


@dataclass(frozen=True, slots=True)
class StaticAnswer:
    """An answer whose body is, in parts, in a file.

    Attributes:
        head: Complete but for what the policy adds.
        parts: The body in order: bytes as they are, and spans of the file.
    """

    head: ResponseHead
    parts: tuple[bytes | Span, ...] = ()

    @property
    def length(self) -> int:
        """Bytes of the whole body."""
        return sum(map(len, self.parts))


def redirect(path: bytes, query: bytes) -> StaticAnswer:
    """Lead from a folder's name to its index, so that the page's relative links are below it.

    Args:
        path: The whole raw path, root path included, which `parse_path` took for sound.
        query: The raw query.
    """
    location = path + b"/" + (b"?" + query if query else b"")
    headers = [
        (b"location", location),
        (b"cache-control", _REVALIDATE),
        (b"content-length", b"0"),
    ]
    return StaticAnswer(ResponseHead(308, headers))


def decide(
    head: RequestHead, file: File, *, wall: float, boundary: bytes
) -> StaticAnswer | Problem:
    """Answer GET or HEAD with a file.

    Args:
        head: The request.
        file: What was found.
        wall: Unix seconds.
        boundary: Random text that parts the answer to several ranges.

    Returns:
        The answer; 412 or 416 where the request's conditions or ranges want another file.
    """
    fields = join_fields(head.headers)
    validators = file.validators(wall)
    status = evaluate(fields, validators, wall=wall)
    lasting = [(b"cache-control", caching(file.name)), *file.vary]
    if status == 412:
        return PRECONDITION_FAILED
    if status == 304:
        etag = _known_tag(fields, validators)
        return StaticAnswer(ResponseHead(304, [(b"etag", etag), *lasting]))
    headers: Headers = [
        (b"etag", validators.etag),
        (b"last-modified", format_date(validators.modified)),
        (b"accept-ranges", b"bytes"),
        (b"x-content-type-options", b"nosniff"),
        *lasting,
    ]
    if file.coding is not None:
        headers.append((b"content-encoding", file.coding.encode()))
    spans = None
    if head.method == "GET" and allows_ranges(fields, validators, wall=wall):
        spans = parse_ranges(fields.get(b"range", b""), file.size)
    return _answer(file, headers, spans, boundary)


def _known_tag(fields: Mapping[bytes, bytes], validators: Validators) -> bytes:
    """Give the tag in the client's form: what it holds may be a coded body, and so weak."""
    weak = b"W/" + validators.opaque
    return weak if weak in fields.get(b"if-none-match", b"") else validators.etag


def _answer(
    file: File, headers: Headers, spans: tuple[Span, ...] | None, boundary: bytes
) -> StaticAnswer | Problem:
    kind = media_type(file.name)
    match spans:
        case None:
            parts: tuple[bytes | Span, ...] = (Span(0, file.size),) if file.size else ()
            return _complete(200, [(b"content-type", kind), *headers], parts)
        case ():
            unsatisfied = (b"content-range", b"bytes */%d" % file.size)
            detail = "The file has none of the bytes that Range names."
            return Problem(416, detail, (unsatisfied,))
        case (span,):
            line = (b"content-range", _content_range(span, file.size))
            return _complete(206, [(b"content-type", kind), line, *headers], (span,))
        case _:
            several = b"multipart/byteranges; boundary=" + boundary
            parts = tuple(_multipart(spans, kind, file.size, boundary))
            return _complete(206, [(b"content-type", several), *headers], parts)


def _complete(status: int, headers: Headers, parts: tuple[bytes | Span, ...]) -> StaticAnswer:
    answer = StaticAnswer(ResponseHead(status, headers), parts)
    headers.append((b"content-length", b"%d" % answer.length))
    return answer


def _content_range(span: Span, size: int) -> bytes:
    return b"bytes %d-%d/%d" % (span.start, span.stop - 1, size)


def _multipart(
    spans: tuple[Span, ...], kind: bytes, size: int, boundary: bytes
) -> list[bytes | Span]:
    """Write the parts of a multipart/byteranges body (RFC 9110 14.6)."""
    parts: list[bytes | Span] = []
    for span in spans:
        lines = (boundary, kind, _content_range(span, size))
        parts.append(b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n" % lines)
        parts.append(span)
    return [*parts, b"\r\n--%b--\r\n" % boundary]
