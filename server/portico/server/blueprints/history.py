"""What was said to agents and by them: listed page by page, and forgotten."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from quart import Blueprint, Response, request

from portico.server.blueprints.content import RequestError, answer_json, reading, writing
from portico.server.blueprints.operation import describes
from portico.server.runs.frames import show_date

if TYPE_CHECKING:
    from portico.server.db.tables import Message

api: Final = Blueprint("history", __name__)
TAGS: Final = ("messages",)
Kind = Literal["user_message", "assistant_message", "system_message"]
ROLES: Final[dict[str, str]] = {
    "user_message": "user",
    "assistant_message": "assistant",
    "system_message": "system",
}
"""Of each type of message, whose it is."""
KINDS: Final[dict[str, Kind]] = {"user": "user_message", "assistant": "assistant_message"}
"""The other way round; all others count as the system's."""


class Listing(msgspec.Struct):
    """Which messages are wanted, as a query says it."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None
    conversation_id: str | None = None
    include_err: bool = False


class MessageShown(msgspec.Struct):
    """A message."""

    id: str
    date: str
    message_type: Kind
    content: str
    name: str | None
    otid: str | None
    sender_id: str | None
    step_id: str | None
    run_id: str | None
    is_err: bool
    seq_id: int | None = None


@api.get("/agents/<agent_id>/messages")
@describes(list[MessageShown], tags=TAGS)
async def messages(agent_id: str) -> Response:
    """List the messages of an agent, the newest first unless asked otherwise."""
    from portico.server.db.queries import history

    asked, wanted = listing(), request.args.getlist("include_return_message_types")
    part = history.Part(
        limit=asked.limit,
        descending=asked.order == "desc",
        after=asked.after,
        before=asked.before,
        conversation_id=asked.conversation_id,
        roles=[ROLES[kind] for kind in wanted if kind in ROLES] if wanted else None,
        errors=asked.include_err,
    )
    found = await reading(lambda scope: history.list_messages(scope, agent_id, part))
    return answer_json([show(message) for message in found])


@api.patch("/agents/<agent_id>/reset-messages")
@describes(None, tags=TAGS)
async def reset(agent_id: str) -> Response:
    """Forget all that was said to an agent and by it; the agent and its blocks stay."""
    from portico.server.db.queries import history

    await writing(lambda scope: history.forget_messages(scope, agent_id))
    return answer_json(None)


def listing() -> Listing:
    """Read the query."""
    given: dict[str, Any] = dict(request.args)
    try:
        return msgspec.convert(given, Listing, strict=False)
    except msgspec.ValidationError as error:
        raise RequestError(422, f"The query is not as it should be: {error}.") from error


def show(message: "Message") -> MessageShown:
    """Give *message* as the clients read it."""
    parts = (part for part in message.content if isinstance(part, dict))
    return MessageShown(
        id=message.id,
        date=show_date(message.created_at),
        message_type=KINDS.get(message.role, "system_message"),
        content="".join(str(part.get("text", "")) for part in parts),
        name=message.name,
        otid=message.otid,
        sender_id=message.sender_id,
        step_id=message.step_id,
        run_id=message.run_id,
        is_err=message.is_err,
    )
