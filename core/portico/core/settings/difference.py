"""What ``config diff`` says: the settings whose values two configurations disagree on."""

from dataclasses import dataclass

from portico.core.settings.explanation import value_text
from portico.core.settings.resolution import Resolution
from portico.core.settings.table import TABLE
from portico.core.settings.wording import columns, place_of, to_json


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting with two values.

    Attributes:
        path: The setting.
        left: The first configuration.
        right: The second one.
    """

    path: str
    left: Resolution
    right: Resolution

    def row(self) -> tuple[str, str, str, str]:
        """Return path, both values and their origins as cells of a line."""
        spec = TABLE[self.path]
        left, right = value_text(self.left, spec), value_text(self.right, spec)
        note = "  (two secrets that differ)" if spec.secret and left == right else ""
        origins = (place_of(side.provenance[self.path]) for side in (self.left, self.right))
        return self.path, left, f"-> {right}", f"{' -> '.join(origins)}{note}"

    def document(self) -> dict[str, object]:
        """Return both values and origins in JSON's types, secrets masked."""
        sides = {"a": self.left, "b": self.right}
        return {
            name: {
                "value": to_json(side.values[self.path]),
                "origin": side.provenance[self.path],
            }
            for name, side in sides.items()
        }


def differences(left: Resolution, right: Resolution) -> tuple[Difference, ...]:
    """Compare two resolutions without problems; where a value comes from does not matter."""
    return tuple(
        Difference(path, left, right) for path in TABLE if left.values[path] != right.values[path]
    )


def diff_text(found: tuple[Difference, ...]) -> str:
    """Write one line for each difference."""
    if not found:
        return "no difference"
    return "\n".join(columns([difference.row() for difference in found]))


def diff_object(found: tuple[Difference, ...]) -> dict[str, object]:
    """Return ``{path: {a: {value, origin}, b: {value, origin}}}``."""
    return {difference.path: difference.document() for difference in found}
