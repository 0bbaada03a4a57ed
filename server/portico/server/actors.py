"""Who acts: the user that the header `user_id` names, else the default one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quart import abort, request

from portico.server.db.ids import DEFAULT_ORGANIZATION, DEFAULT_USER, is_id
from portico.server.state import current_state

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, and the organisation to which all that they see belongs."""

    user_id: str
    organization_id: str


DEFAULT = Actor(DEFAULT_USER, DEFAULT_ORGANIZATION)


async def current_actor() -> Actor:
    """Find the actor of this request; an unknown one is refused, never taken for the default."""
    user_id = request.headers.get("user_id") or DEFAULT_USER
    if user_id == DEFAULT_USER:
        return DEFAULT
    if not is_id(user_id, "user"):
        abort(400, "The header user_id must be user- and a UUID in lower case.")
    organization_id = await current_state().database.read(lambda s: find_home(s, user_id))
    if organization_id is None:
        abort(404, f"There is no user {user_id}.")
    return Actor(user_id, organization_id)


def find_home(session: "Session", user_id: str) -> str | None:
    """Find the organisation of a user."""
    from portico.server.db.tables import User

    user = session.get(User, user_id)
    return None if user is None else user.organization_id
