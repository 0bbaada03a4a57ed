"""Which part of a list is wanted; read by the blueprints, carried out by `queries.scope`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        after: Id of the item after which it begins, in the list's own order.
        before: Id of the item before which it ends.
        limit: How many items at most.
        descending: Whether the newest come first.
        order_by: The column that orders, before the id.
    """

    after: str | None = None
    before: str | None = None
    limit: int = 50
    descending: bool = True
    order_by: str = "created_at"
