"""What one actor may see: every query of the API begins here, and so within an organisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, NotFound, UnprocessableEntity

from portico.server.db.base import Owned, UtcTime
from portico.server.db.ids import is_id
from portico.server.db.paging import Page
from portico.server.db.tables import Agent, Block, Conversation, Run, Step, Tool

T = TypeVar("T", bound=Owned)

KINDS: Final[dict[type[Owned], tuple[str, str]]] = {
    Agent: ("agent", "agent"),
    Block: ("block", "block"),
    Conversation: ("conversation", "conv"),
    Run: ("run", "run"),
    Step: ("step", "step"),
    Tool: ("tool", "tool"),
}
"""What each is called, and how its ids begin."""
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of one organisation, within one transaction."""

    session: Session
    organization_id: str
    user_id: str

    def select(self, kind: type[T]) -> Select[T]:
        """Select the organisation's rows of *kind*."""
        return select(kind).where(kind.organization_id == self.organization_id)

    def find(self, kind: type[T], id: str, *, lock: bool = False) -> T:  # noqa: A002
        """Give one row.

        Raises:
            UnprocessableEntity: That is no id.
            NotFound: There is none in the organisation.
        """
        name, prefix = KINDS[kind]
        if not is_id(id, prefix):
            raise UnprocessableEntity(
                f"The id of {with_article(name)} is {prefix}- and a UUID in lower case."
            )
        query = self.select(kind).where(column(kind, "id") == id)
        found = self.session.scalar(query.with_for_update() if lock else query)
        if found is None:
            raise NotFound(f"There is no {name} {id}.")
        return found

    def find_all(self, kind: type[T], ids: Sequence[str]) -> list[T]:
        """Give the rows of *ids*, each once, in that order."""
        return [self.find(kind, id) for id in dict.fromkeys(ids)]  # noqa: A001

    def add(self, row: T) -> T:
        """Store a new row as the organisation's, made by the actor."""
        row.organization_id = self.organization_id
        row.created_by_id = row.last_updated_by_id = self.user_id
        self.session.add(row)
        self.session.flush()
        return row

    def touch(self, row: Owned) -> None:
        """Tell who changed *row* last."""
        row.last_updated_by_id = self.user_id
        self.session.flush()

    def page(self, kind: type[T], query: Select[T], page: Page) -> list[T]:
        """Give a part of what *query* selects; cursors follow the order that is asked for."""
        order = func.coalesce(column(kind, page.order_by), literal(NEVER, UtcTime))
        key = (order, column(kind, "id"))
        for cursor, beyond in ((page.after, True), (page.before, False)):
            if cursor is not None:
                upwards = beyond is not page.descending
                query = query.where(is_past(key, self._key(kind, cursor, page), upwards=upwards))
        backwards = page.before is not None and page.after is None
        ends = [c.desc() if page.descending is not backwards else c.asc() for c in key]
        found = list(self.session.scalars(query.order_by(*ends).limit(page.limit)))
        return found[::-1] if backwards else found

    def _key(self, kind: type[T], cursor: str, page: Page) -> tuple[datetime, str]:
        row: Any = self.session.scalar(self.select(kind).where(column(kind, "id") == cursor))
        if row is None:
            raise BadRequest(f"There is no {KINDS[kind][0]} {cursor!r} to list from.")
        return getattr(row, page.order_by) or NEVER, row.id


def column(kind: type[Owned], name: str) -> Any:
    """Give a column by its name."""
    return getattr(kind, name)


def is_past(
    key: tuple[Any, Any], at: tuple[datetime, str], *, upwards: bool
) -> ColumnElement[bool]:
    """Say that a row stands beyond a place in the order."""
    (first, second), (time, id) = key, at  # noqa: A001
    moment = literal(time, UtcTime)
    if upwards:
        return or_(first > moment, and_(first == moment, second > id))
    return or_(first < moment, and_(first == moment, second < id))


def with_article(noun: str) -> str:
    """Put the article before *noun*."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
