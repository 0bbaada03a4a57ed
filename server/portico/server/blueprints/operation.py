"""What the OpenAPI document says of an operation, kept with its handler until somebody asks.

Quart-Schema reads it when the document is made: importing that package, and pydantic with it,
would take a fifth of the time until the first answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        tags: The groups that it is shown in.
        answers: The type of each answer's content, by status.
        security: Names of the schemes of which one must be satisfied; none if it is open.
        body: The type of the request's content, None if it has none.
    """

    tags: tuple[str, ...]
    answers: Mapping[int, Any]
    security: tuple[str, ...] = ()
    body: Any = None


OPERATIONS: Final[dict[Callable[..., Any], Operation]] = {}
"""The described operations by their handler."""


def describes(
    answer: Any,
    *,
    tags: tuple[str, ...],
    security: tuple[str, ...] = (),
    body: Any = None,
    **others: Any,
) -> Callable[[Handler], Handler]:
    """Describe the handler that is decorated.

    Args:
        answer: The type of the content of 200.
        tags: The groups that it is shown in.
        security: Names of the schemes of which one must be satisfied.
        body: The type of the request's content.
        others: Types of other answers by the name of their status: `SERVICE_UNAVAILABLE=Readiness`.
    """
    answers = {200: answer} | {int(HTTPStatus[name]): model for name, model in others.items()}

    def remember(handler: Handler) -> Handler:
        OPERATIONS[handler] = Operation(tags, answers, security, body)
        return handler

    return remember
