"""Authentication: the password, and what a request without it gets.

Sources: design page "Policy", Authentication; RFC 9110 11 (challenge), RFC 6750 2.1 and 3 (Bearer).
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from portico.core.events import Headers, RequestHead
from portico.core.problem import Problem, Refusal
from portico.core.routes import Routes
from portico.core.settings import Settings

__all__ = ["AUTH_HEADERS", "REFUSALS", "AuthPolicy", "digest_secret"]

PRINCIPAL: Final = "password"
"""Who authenticated with the server's password."""

_SCHEMES: Final = {b"authorization": b"bearer", b"x-bare-password": b"password"}
AUTH_HEADERS: Final = frozenset(_SCHEMES)
_CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="portico"')
# RFC 6750 3.1: the error is named only where credentials were given.
_CHALLENGE_WRONG: Final = (b"www-authenticate", b'Bearer realm="portico", error="invalid_token"')


MISSING: Final = Refusal(
    "credentials_missing",
    Problem(
        401,
        "This server needs its password: send Authorization: Bearer <password>.",
        (_CHALLENGE,),
    ),
)
WRONG: Final = Refusal(
    "credentials_wrong",
    Problem(401, "The password is wrong.", (_CHALLENGE_WRONG,)),
)
MALFORMED: Final = Refusal(
    "credentials_malformed",
    Problem(
        401,
        "The credentials cannot be read: send one Authorization: Bearer <password>.",
        (_CHALLENGE_WRONG,),
    ),
)
UNCONFIGURED: Final = Refusal(
    "password_not_configured",
    Problem(
        403,
        "Administration is closed because this server has no password: set LETTA_SERVER_PASSWORD.",
    ),
)


REFUSALS: Final = (MISSING, WRONG, MALFORMED, UNCONFIGURED)


def digest_secret(secret: bytes) -> bytes:
    """Hash a secret so that it can be compared: both sides then have one length."""
    return hashlib.sha256(secret).digest()


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """Which requests need the password, and whether they have it.

    Attributes:
        required: Whether every request but a probe needs it.
        routes: The declared flags.
        digest: SHA-256 of the password in UTF-8, or None without one.
    """

    required: bool
    routes: Routes
    digest: bytes | None = field(repr=False)

    @classmethod
    def compile(cls, settings: Settings, routes: Routes) -> "AuthPolicy":
        """Take the rules from *settings*; only the password's digest is kept."""
        password = settings.auth.password
        digest = None if password is None else digest_secret(password.reveal().encode())
        return cls(settings.auth.required, routes, digest)

    def decide(self, head: RequestHead, credentials: Headers) -> str | Refusal | None:
        """Judge one request.

        Args:
            head: Its path, method and kind decide whether it needs the password.
            credentials: Its field lines; only those of `AUTH_HEADERS` are read.

        Returns:
            The principal, also where none is asked for; or None for nobody; or the refusal.
        """
        admin = self.routes.is_admin(head.path)
        if admin and self.digest is None:
            return UNCONFIGURED
        verdict = self._authenticate(credentials) if credentials else MISSING
        if admin or (self.required and not self.routes.is_probe(head)):
            return verdict
        return verdict if isinstance(verdict, str) else None

    def _authenticate(self, headers: Headers) -> str | Refusal:
        lines = [(name, value) for name, value in headers if name in _SCHEMES]
        if not lines or self.digest is None:
            return MISSING
        if len({name for name, _ in lines}) != len(lines):  # RFC 9110 5.3: not a list field
            return MALFORMED
        secrets = list(_secrets(lines))
        if not secrets:
            return MALFORMED
        # Every one is compared, so that time does not tell which was right.
        right = [hmac.compare_digest(digest_secret(secret), self.digest) for secret in secrets]
        return PRINCIPAL if any(right) else WRONG


def _secrets(lines: Headers) -> Iterator[bytes]:
    """Give what follows the scheme and one space; scheme names fold case (RFC 9110 11.1)."""
    for name, value in lines:
        scheme, _, secret = value.strip(b" \t").partition(b" ")
        if scheme.lower() == _SCHEMES[name] and secret:
            yield secret
