"""Ids `<prefix>-<uuid4>` and the time of rows."""

import re
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

DEFAULT_ORGANIZATION: Final = "org-00000000-0000-4000-8000-000000000000"
DEFAULT_USER: Final = "user-00000000-0000-4000-8000-000000000000"
UUID4: Final = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def new_id(prefix: str) -> str:
    """Make a new id with *prefix*, such as `agent`."""
    return f"{prefix}-{uuid4()}"


def is_id(text: str, prefix: str) -> bool:
    """Say whether *text* is an id with *prefix*."""
    return re.fullmatch(f"{re.escape(prefix)}-{UUID4}", text) is not None


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)
