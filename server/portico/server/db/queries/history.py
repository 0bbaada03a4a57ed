"""What was said to agents and by them: listed in either order, and forgotten."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select
from werkzeug.exceptions import BadRequest

from portico.server.db.queries.scope import Scope
from portico.server.db.tables import Agent, Message


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of an agent's messages is wanted.

    Attributes:
        after: The message that comes before the part, in the order asked for.
        before: The message that comes after it.
        conversation_id: Of which conversation, or None for all of the agent's.
        roles: Whose, or None for everybody's.
        errors: Whether those count that a model never answered.
    """

    limit: int
    descending: bool
    after: str | None = None
    before: str | None = None
    conversation_id: str | None = None
    roles: Collection[str] | None = None
    errors: bool = False


def list_messages(scope: Scope, agent_id: str, part: Part) -> list[Message]:
    """List messages; cursors follow the order that is asked for (reference-api.md, Pagination).

    Raises:
        NotFound: There is no such agent.
        BadRequest: A cursor names no message of it.
    """
    scope.find(Agent, agent_id)
    query = scope.select(Message).where(Message.agent_id == agent_id)
    if not part.errors:
        query = query.where(Message.is_err.is_(False))
    if part.roles is not None:
        query = query.where(Message.role.in_(part.roles))
    if part.conversation_id is not None:
        query = query.where(Message.conversation_id == part.conversation_id)
    for cursor, beyond in ((part.after, True), (part.before, False)):
        if cursor is not None:
            at = position_of(scope, agent_id, cursor)
            past = Message.position > at if beyond is not part.descending else Message.position < at
            query = query.where(past)
    # Before a message alone: the nearest to it, but shown in the order asked for.
    backwards = part.before is not None and part.after is None
    order = Message.position.desc() if part.descending is not backwards else Message.position.asc()
    found = list(scope.session.scalars(query.order_by(order).limit(part.limit)))
    return found[::-1] if backwards else found


def forget_messages(scope: Scope, agent_id: str) -> None:
    """Delete every message of an agent.

    Raises:
        NotFound: There is no such agent.
    """
    agent = scope.find(Agent, agent_id, lock=True)
    scope.session.execute(delete(Message).where(Message.agent_id == agent_id))
    agent.message_ids = []


def position_of(scope: Scope, agent_id: str, message_id: str) -> int:
    """Give the place of a message among its agent's.

    Raises:
        BadRequest: It is none of them.
    """
    position = scope.session.scalar(
        select(Message.position).where(Message.id == message_id, Message.agent_id == agent_id)
    )
    if position is None:
        raise BadRequest(f"There is no message {message_id} of this agent to list from.")
    return position
