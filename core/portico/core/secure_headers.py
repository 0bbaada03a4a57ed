"""Security headers on answers that set none themselves, made once when the policy is compiled.

Sources: design page "Policy", Response; RFC 6797 (HSTS), Fetch #x-content-type-options-header,
CSP3 6.4.2 (frame-ancestors), RFC 7034, Referrer Policy, HTML 7.1.3 (COOP), RFC 9111 5.2.2.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from portico.core.events import ResponseHead
from portico.core.problem import Refusal
from portico.core.settings import Settings

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["SecureHeaders"]

Lines = tuple[tuple[bytes, bytes], ...]

_SECURE: Final = frozenset({"https", "wss"})
_HTML: Final = (b"text/html", b"application/xhtml+xml")
_ANCESTORS: Final = {"DENY": "'none'", "SAMEORIGIN": "'self'"}
_NO_STORE: Final = (b"cache-control", b"no-store")
# Whoever gives a validator wants to be asked again, which no-store would forbid.
_REVALIDATE: Final = (b"cache-control", b"private, no-cache")
_CACHING: Final = frozenset({b"cache-control", b"expires"})
_VALIDATORS: Final = frozenset({b"etag", b"last-modified"})


@dataclass(frozen=True, slots=True)
class SecureHeaders:
    """Adds security headers; the application's own values win.

    Attributes:
        plain: Lines of an answer that is no page.
        page: Those of HTML.
        hsts: Those that are added where the client came by https.
    """

    plain: Lines
    page: Lines
    hsts: Lines
    name: ClassVar[str] = "secure headers"
    settings: ClassVar[tuple[str, ...]] = ("headers.",)
    refusals: ClassVar[tuple[Refusal, ...]] = ()

    @classmethod
    def compile(cls, settings: Settings) -> "SecureHeaders":
        """Write the lines once."""
        headers = settings.headers
        common = (
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", headers.frame_options.encode()),
            (b"referrer-policy", headers.referrer_policy.encode()),
            (b"cross-origin-opener-policy", headers.opener_policy.encode()),
        )
        ancestors = f"frame-ancestors {_ANCESTORS[headers.frame_options]}"
        age = b"max-age=%d" % int(headers.hsts)
        return cls(
            (*common, _policy(ancestors)),
            (*common, _policy(_join(headers.csp, ancestors))),
            ((b"strict-transport-security", age),) if headers.hsts >= 1 else (),
        )

    def response(self, exchange: "Exchange", head: ResponseHead) -> ResponseHead:
        """Add what the application left out; an interim answer or handshake stays as it is."""
        if head.status < 200:
            return head
        kind = b""
        present = set()
        for name, value in head.headers:
            name = name.lower()
            present.add(name)
            if name == b"content-type":
                kind = value.lower()
        lines = self.page if kind.startswith(_HTML) else self.plain
        if exchange.scheme in _SECURE:
            lines += self.hsts
        added = [line for line in lines if line[0] not in present]
        if present.isdisjoint(_CACHING) and _is_api(kind):
            added.append(_NO_STORE if present.isdisjoint(_VALIDATORS) else _REVALIDATE)
        return ResponseHead(head.status, head.headers + added)


def _policy(text: str) -> tuple[bytes, bytes]:
    return b"content-security-policy", text.encode("ascii")


def _join(csp: str, ancestors: str) -> str:
    """Put *ancestors* beside *csp*, unless that names some: the first counts (CSP3 2.2.1)."""
    stated = csp.strip().rstrip(";").rstrip()
    if not stated or "frame-ancestors" in stated.lower():
        return stated or ancestors
    return f"{stated}; {ancestors}"


def _is_api(kind: bytes) -> bool:
    """Say whether a content type is that of an API's answer: JSON, or nothing at all."""
    media_type = kind.partition(b";")[0].strip()
    return media_type in (b"", b"application/json") or media_type.endswith(b"+json")
