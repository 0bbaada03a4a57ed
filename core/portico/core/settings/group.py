"""What the groups of settings have in common."""

from dataclasses import Field, dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

T = TypeVar("T")


class Group:
    """A frozen group of settings, compared and shown by its fields.

    These methods are written once here because generating them for every group takes a third of
    the time in which the settings are imported.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        pairs = zip(self.__dataclass_fields__, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"


@dataclass_transform(frozen_default=True)
def group(declared: type[T]) -> type[T]:
    """Make a frozen, slotted dataclass of a class that derives from :class:`Group`."""
    return dataclass(frozen=True, slots=True, repr=False, eq=False)(declared)
