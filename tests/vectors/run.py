"""Run vector files: ``python tests/vectors/run.py FILE...``.

The formats are told apart by their content: vectors with ``sources`` are settings, vectors with a
``type`` are CORS, all others with a ``request`` are of the request policy. Exits 0 when all pass,
1 when one fails, 2 when a file is none of ours.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

Vector = Mapping[str, Any]
Check = Callable[[Vector], list[str]]

# The key that each vector of a format has, and the module that checks it.
_FORMATS = {"sources": "settings_vectors", "type": "cors_vectors", "request": "policy_vectors"}


class UnusableFileError(Exception):
    """A file that holds no vectors of a known format."""


def load(path: Path) -> list[Vector]:
    """Read the vectors of a file.

    Raises:
        UnusableFileError: It cannot be read, or holds no vectors.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnusableFileError(f"{path}: {error}") from None
    vectors = document.get("vectors") if isinstance(document, dict) else document
    if not isinstance(vectors, list) or not vectors:
        raise UnusableFileError(f"{path}: no vectors in it")
    return vectors


def checker_for(vectors: list[Vector]) -> Check:
    """The checker of the format that the first vector is of.

    Raises:
        UnusableFileError: It is of none.
    """
    first = vectors[0]
    for key, module in _FORMATS.items():
        if isinstance(first, dict) and key in first:
            name = f"{__package__}.{module}" if __package__ else module
            check: Check = import_module(name).check
            return check
    raise UnusableFileError("its vectors are of no known format")


def name_of(vector: Vector) -> str:
    """How a vector is called in its file."""
    return str(vector.get("id") or vector.get("name") or "without a name")


def differences(check: Check, vector: Vector) -> list[str]:
    """What a vector finds; a checker that fails on it is a finding too."""
    try:
        return check(vector)
    except Exception:
        return traceback.format_exc().splitlines()


def run(paths: list[Path]) -> int:
    """Run files and print every failure with its differences.

    Returns:
        The exit status.
    """
    passed = failed = 0
    for path in paths:
        vectors = load(path)
        check = checker_for(vectors)
        for vector in vectors:
            found = differences(check, vector)
            if found:
                print(f"FAIL {path.name} {name_of(vector)}", *found, sep="\n    ")
            failed += bool(found)
            passed += not found
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Run the files named on the command line."""
    if not arguments:
        print("usage: python tests/vectors/run.py FILE...", file=sys.stderr)
        return 2
    try:
        return run([Path(argument) for argument in arguments])
    except UnusableFileError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
