"""Lists: comma text or JSON in every source, sequences in the configuration file."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from portico.core.settings.kinds import Kind, Note, RefusalError, schema

V = TypeVar("V")
EMPTY_ITEM: Final = "must not have an empty item (an empty list is written [])"
QUOTED: Final = ("quoted-value", "quotes stand around the value; they are removed")


def split_list(text: str) -> list[str]:
    """Split the text of a list into items, without outer space.

    Args:
        text: ``a, b`` with at most one trailing comma, or a JSON array of strings.

    Raises:
        RefusalError: The JSON is broken, an item is not text, or an inner item is empty.
    """
    if text.startswith("["):
        return _split_json(text)
    items = [item.strip() for item in text.split(",")]
    if len(items) > 1 and not items[-1]:
        items.pop()
    if not all(items):
        raise RefusalError(EMPTY_ITEM)
    return items


def _split_json(text: str) -> list[str]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusalError('starts with [ and so must be JSON, such as ["a", "b"]') from None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise RefusalError("must be a JSON array of strings")
    return items


def unquote(text: str) -> str | None:
    """Return *text* without its matching outer quotes, or None when there are none to remove."""
    if text[:1] not in ('"', "'") or text[-1] != text[0] or len(text) < 2:
        return None
    inner = text[1:-1]
    return None if text[0] in inner else inner


def list_of(item: Kind[V], whole: Callable[[tuple[V, ...]], None] | None = None) -> Kind[object]:
    """Make a kind of lists.

    Args:
        item: The kind of each item; duplicates fold in order.
        whole: Refuses lists whose items do not go together.
    """

    def parse(text: str, notes: list[Note]) -> object:
        return parse_items(split_list(text), notes)

    def parse_items(texts: Sequence[str], notes: list[Note]) -> object:
        bare = [_unquote_item(text.strip(), notes) for text in texts]
        if not all(bare):
            raise RefusalError(EMPTY_ITEM)
        values = tuple(dict.fromkeys(item.parse(text, notes) for text in bare))
        if whole is not None:
            whole(values)
        return values

    return Kind(
        f"list of {item.name}s",
        parse,
        lambda values: format_list(values, item),
        schema(anyOf=[{"type": "array", "items": dict(item.schema)}, {"type": "string"}]),
        parse_items=parse_items,
        item=item,
    )


def _unquote_item(text: str, notes: list[Note]) -> str:
    inner = unquote(text)
    if inner is None:
        return text
    notes.append(QUOTED)
    return inner.strip()


def format_list(values: object, item: Kind[V]) -> str:
    """Write a list as comma text, an empty one as ``[]``."""
    if not isinstance(values, (tuple, list)) or not values:
        return "[]"
    return ", ".join(item.format(value) for value in values)


_WORD_PATTERN: Final = r"[^\s,\"']+"


def parse_word(text: str, _notes: list[Note]) -> str:
    """Read one word of a list; what it may be is for the part that uses it."""
    if re.fullmatch(_WORD_PATTERN, text) is None:
        raise RefusalError("must be words without spaces, commas or quotes")
    return text


WORD: Final = Kind("word", parse_word, schema=schema(type="string"))
WORDS: Final = list_of(WORD)
