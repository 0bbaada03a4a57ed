"""What a misspelt name was probably meant to be."""

from collections.abc import Iterable
from typing import Final

RESEMBLANCE: Final = 0.8
"""difflib's ratio from which two names resemble each other."""


def find_resembling(word: str, names: Iterable[str]) -> str | None:
    """Return the name that *word* resembles most, or None."""
    # Most resolutions have nothing to suggest and need not pay for the import.
    from difflib import get_close_matches

    matches = get_close_matches(word, names, n=1, cutoff=RESEMBLANCE)
    return matches[0] if matches else None


def did_you_mean(name: str | None) -> str:
    """Write the suggestion as the end of a message; empty without one."""
    return f"; did you mean {name}?" if name else ""
