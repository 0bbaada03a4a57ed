"""The one door to the database; the package's docstring says how to use it."""

import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import structlog
from anyio import CapacityLimiter, to_thread
from werkzeug.exceptions import HTTPException

from portico.core.settings import Settings, database_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()
T = TypeVar("T")
RETRY_S: Final = 1
FILE: Final = "portico.sqlite"


def file_of(settings: Settings) -> Path:
    """Give the SQLite file of *settings*."""
    # Not pathlib's, which raises for a user without a home, as containers have them.
    return Path(os.path.expanduser(settings.storage.dir)) / FILE  # noqa: PTH111


def is_new(settings: Settings) -> bool:
    """Say whether nothing can be stored yet, since the first use makes the SQLite file."""
    return database_target(settings) is None and not file_of(settings).exists()


class UnavailableError(HTTPException):
    """The database does not answer, or not now."""

    code = 503
    description = "The database does not answer; try again."

    def get_headers(self, *_: object) -> list[tuple[str, str]]:
        """Say when to try again."""
        return [("retry-after", str(RETRY_S))]


class ConflictError(HTTPException):
    """What is there already, or is not there, stands against the request."""

    code = 409
    description = "This contradicts what is stored: a name is taken, or something named is gone."

    def get_headers(self, *_: object) -> list[tuple[str, str]]:
        """Say that the same again would fail again; the clients retry a 409 unasked."""
        return [("x-should-retry", "false")]


class StorageError(HTTPException):
    """The database refused what we asked; the log has the reason."""

    code = 500


class Database:
    """The database of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.is_sqlite = database_target(settings) is None
        database = settings.database
        sessions = database.max_concurrent_sessions
        self._limiter = CapacityLimiter(sessions or database.pool_size + database.max_overflow)
        self._writers = CapacityLimiter(1)
        self._opening = Lock()
        self._engine: Engine | None = None
        self._used = False
        self._waiting: dict[object, float] = {}

    async def read(self, work: Callable[["Session"], T]) -> T:
        """Run *work* in a thread, in one transaction that only reads.

        Raises:
            UnavailableError: The database does not answer.
        """
        return await self._run(work, writes=False)

    async def write(self, work: Callable[["Session"], T]) -> T:
        """Run *work* in a thread, in one transaction that may write.

        Raises:
            UnavailableError: The database does not answer.
            ConflictError: A constraint is broken.
        """
        if not self.is_sqlite:
            return await self._run(work, writes=True)
        # SQLite has one writer; in line here they wait in their order and without polling.
        async with self._turn(self._writers):
            return await self._run(work, writes=True)

    async def _run(self, work: Callable[["Session"], T], *, writes: bool) -> T:
        async with self._turn(self._limiter):
            return await to_thread.run_sync(
                lambda: self.run(work, writes=writes), limiter=CapacityLimiter(1)
            )

    def _turn(self, limiter: CapacityLimiter) -> "Turn":
        return Turn(limiter, self._waiting, self.settings.database.pool_timeout)

    def run(self, work: Callable[["Session"], T], *, writes: bool = True) -> T:
        """Run *work* in this thread: the same for commands and for threads that have one."""
        self._used = True
        from sqlalchemy.orm import Session

        from portico.server.db.engine import IMMEDIATE

        with told_plainly():
            engine = self.engine().execution_options(**{IMMEDIATE: writes})
            with Session(engine, expire_on_commit=False) as session, session.begin():
                return work(session)

    def engine(self) -> "Engine":
        """Give the engine; the first call makes it, and the tables of an empty SQLite file."""
        with self._opening:
            if self._engine is None:
                from portico.server.db.engine import make_engine
                from portico.server.db.migration import prepare_file

                if self.is_sqlite:
                    prepare_file(self.settings)
                self._engine = make_engine(self.settings)
            return self._engine

    def pool_wait(self) -> float:
        """Tell how long the longest has been waiting for its turn, in seconds."""
        return monotonic() - min(self._waiting.values()) if self._waiting else 0.0

    def is_down(self) -> float | None:
        """Ask the database: 0 if it answers, 1 if not, None as long as nobody has used it.

        So a process that serves no data pays neither for SQLAlchemy nor for the first migration.
        """
        if not self._used:
            return None
        from sqlalchemy import text

        try:
            self.run(lambda session: session.execute(text("SELECT 1")).all(), writes=False)
        except HTTPException:
            return 1.0
        return 0.0

    def close(self) -> None:
        """Return every connection."""
        with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()


class Turn:
    """A place in a limiter, waited for no longer than the pool's time."""

    def __init__(
        self, limiter: CapacityLimiter, waiting: dict[object, float], timeout_s: float
    ) -> None:
        self._limiter = limiter
        self._waiting = waiting
        self._timeout_s = timeout_s

    async def __aenter__(self) -> None:
        self._waiting[self] = monotonic()
        try:
            with anyio.fail_after(self._timeout_s):
                await self._limiter.acquire_on_behalf_of(self)
        except TimeoutError:
            raise UnavailableError from None
        finally:
            del self._waiting[self]

    async def __aexit__(self, *_: object) -> None:
        self._limiter.release_on_behalf_of(self)


@contextmanager
def told_plainly() -> "Iterator[None]":
    """Turn the errors of SQLAlchemy into answers; only the log hears the reason, without values."""
    from sqlalchemy import exc

    try:
        yield
    except exc.IntegrityError:
        raise ConflictError from None
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        log.warning("database unavailable", error=type(getattr(error, "orig", error)).__name__)
        raise UnavailableError from None
    except exc.DBAPIError as error:
        log.error("database refused", error=type(error.orig).__name__)
        raise (UnavailableError if error.connection_invalidated else StorageError) from None
    except OSError as error:
        log.warning("database unavailable", error=error.strerror)
        raise UnavailableError from None
