"""Blocks of memory."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, select, update
from werkzeug.exceptions import UnprocessableEntity

from portico.server.db.ids import new_id
from portico.server.db.paging import Page
from portico.server.db.queries.scope import Scope
from portico.server.db.tables import AgentBlock, Block


def create(scope: Scope, values: Mapping[str, Any]) -> Block:
    """Store a new block."""
    block = Block(id=new_id("block"), **values)
    check_length(block.value, block.limit)
    return scope.add(block)


def change(scope: Scope, block: Block, values: Mapping[str, Any]) -> Block:
    """Change a block, its label in every agent that has it too."""
    for name, value in values.items():
        setattr(block, name, value)
    check_length(block.value, block.limit)
    if values.get("label"):
        linked = update(AgentBlock).where(AgentBlock.block_id == block.id)
        scope.session.execute(linked.values(label=block.label))
    scope.touch(block)
    return block


def check_length(value: str, limit: int | None) -> None:
    """Refuse a value that is longer than its block allows.

    Raises:
        UnprocessableEntity: It is.
    """
    if limit is not None and len(value) > limit:
        raise UnprocessableEntity(
            f"The value has {len(value)} characters; the block's limit is {limit}."
        )


def list_page(scope: Scope, page: Page, wanted: Mapping[str, str]) -> list[Block]:
    """List blocks.

    Args:
        scope: Whose.
        page: Which part.
        wanted: Filters by name: equal to a column, or `_search` in it.
    """
    query = scope.select(Block)
    for name, value in wanted.items():
        query = narrow(query, name, value)
    return scope.page(Block, query, page)


def narrow(query: Select[Block], name: str, value: str) -> Select[Block]:
    """Keep the blocks that the filter *name* lets through."""
    column = getattr(Block, name.removesuffix("_search"))
    if name.endswith("_search"):
        return query.where(column.icontains(value, autoescape=True))
    return query.where(column == (value == "true" if name == "is_template" else value))


def of_agent(scope: Scope, agent_id: str) -> Select[Block]:
    """Select the blocks of an agent."""
    linked = select(AgentBlock.block_id).where(AgentBlock.agent_id == agent_id)
    return scope.select(Block).where(Block.id.in_(linked))
