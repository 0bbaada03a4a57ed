"""Where the database is, whichever way it was said."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from portico.core.settings.secret import Secret
from portico.core.settings.table import Settings

POSTGRESQL_PORT: Final = 5432


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """A PostgreSQL database.

    Attributes:
        host: Host name, address without brackets, or a socket's directory; None for libpq's own.
        port: Its port.
        user: Its user, or None for libpq's own.
        password: The user's password, decoded, or None.
        name: Its name.
        options: Further parameters of the URI, such as ``sslmode``, decoded.
    """

    host: str | None
    port: int
    user: str | None
    password: Secret | None
    name: str
    options: tuple[tuple[str, str], ...] = ()


def database_target(settings: Settings) -> DatabaseTarget | None:
    """Return the PostgreSQL database of *settings*, or None for SQLite in ``storage.dir``.

    A URI is percent-decoded once; parts are taken as they stand.

    Source: PostgreSQL manual, 32.1.1.2 Connection URIs.
    """
    database = settings.database
    if database.uri is not None:
        return _read_uri(database.uri.reveal())
    if database.host is None or database.name is None:
        return None
    port = database.port or POSTGRESQL_PORT
    return DatabaseTarget(database.host, port, database.user, database.password, database.name)


def _read_uri(uri: str) -> DatabaseTarget:
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    host = unquote(parts.hostname) if parts.hostname else options.pop("host", None)
    return DatabaseTarget(
        host=host,
        port=parts.port or POSTGRESQL_PORT,
        user=_decode(parts.username) or options.pop("user", None),
        password=_hide(_decode(parts.password) or options.pop("password", None)),
        name=unquote(parts.path).strip("/"),
        options=tuple(options.items()),
    )


def _decode(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _hide(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)
