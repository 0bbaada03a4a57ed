"""Text that must not be shown."""

from typing import Final, NoReturn

MASK: Final = "********"


class Secret:
    """A password, key or URL with a password, shown only by :meth:`reveal`.

    It is not a ``str``: joining or serialising it is a type error, and formatting or printing it
    gives the mask. It pickles with its text, because spawned workers get the settings that way.
    """

    __slots__ = ("_shown", "_text")
    _text: str
    _shown: str

    def __init__(self, text: str, shown: str = MASK) -> None:
        """Hide *text*; *shown* is what stands for it, such as a URL without its password."""
        object.__setattr__(self, "_text", text)
        object.__setattr__(self, "_shown", shown)

    def reveal(self) -> str:
        """Return the hidden text, for the one place that needs it."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"Secret({self._shown!r})"

    def __format__(self, format_spec: str) -> str:
        return format(self._shown, format_spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __reduce__(self) -> tuple[type["Secret"], tuple[str, str]]:
        return Secret, (self._text, self._shown)
