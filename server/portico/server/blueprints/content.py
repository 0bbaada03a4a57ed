"""What requests ask and answers hold: bodies, queries, JSON, and the way to the database."""

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from quart import Response, abort, request
from werkzeug.exceptions import HTTPException

from portico.server.actors import current_actor
from portico.server.db.paging import Page
from portico.server.state import current_state

if TYPE_CHECKING:
    from portico.server.db.queries.scope import Scope

T = TypeVar("T")
NO_RETRY: Final = {"x-should-retry": "false"}
MOST: Final = 1000
"""Items of one page, whatever is asked for."""
NUL: Final = "\0"
"""The one character that PostgreSQL cannot store."""
ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class RequestError(HTTPException):
    """A request cannot be carried out, and asking again unchanged would not help."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code

    def get_headers(self, *_: object) -> list[tuple[str, str]]:
        """Tell the clients, which retry such a status unasked."""
        return list(NO_RETRY.items())


async def read(kind: Any) -> Any:
    """Read the body as a *kind*; none at all stands for an empty object."""
    body: Any = await request.get_data() or b"{}"
    try:
        content = msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise RequestError(422, f"The body is not as it should be: {error}.") from error
    if ESCAPED_NUL.search(body):
        raise RequestError(422, "The body has the character U+0000, which cannot be stored.")
    return content


def answer_json(content: Any) -> Response:
    """Make the answer that holds *content*."""
    return Response(msgspec.json.encode(content), content_type="application/json")


async def reading(work: "Callable[[Scope], T]") -> T:
    """Read what the actor may see."""
    bound = await within(work)
    return await current_state().database.read(bound)


async def writing(work: "Callable[[Scope], T]") -> T:
    """Change what the actor may see, in one transaction."""
    bound = await within(work)
    return await current_state().database.write(bound)


async def within(work: "Callable[[Scope], T]") -> Callable[[Any], T]:
    """Hold *work* to the actor's organisation."""
    if NUL in request.path or any(NUL in text for text in request.args.values()):
        abort(400, "The address has the character U+0000.")
    actor = await current_actor()

    def bound(session: Any) -> T:
        from portico.server.db.queries.scope import Scope

        return work(Scope(session, actor.organization_id, actor.user_id))

    return bound


def asked_page(order: str = "desc", columns: Collection[str] = ("created_at",)) -> Page:
    """Read which part of a list is wanted.

    Args:
        order: The list's own order.
        columns: What it can be ordered by.
    """
    return Page(
        after=request.args.get("after"),
        before=request.args.get("before"),
        limit=min(asked_limit(), MOST),
        descending=asked_word("order", ("asc", "desc"), order) == "desc",
        order_by=asked_word("order_by", columns, "created_at"),
    )


def asked_limit() -> int:
    """Read how many items are wanted."""
    limit = request.args.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and int(limit[:9]) > 0):
        raise RequestError(422, "limit must be a whole number from 1 on.")
    return int(limit[:9])


def asked_word(name: str, allowed: Collection[str], default: str) -> str:
    """Read one of several words."""
    word = request.args.get(name, default)
    if word not in allowed:
        raise RequestError(422, f"{name} must be one of {', '.join(allowed)}.")
    return word


def asked_flag(name: str) -> bool:
    """Read a word of yes or no; no where none is given."""
    return asked_word(name, ("true", "false"), "false") == "true"
