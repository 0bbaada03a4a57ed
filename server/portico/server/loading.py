"""``package.module:app``: finding an ASGI application by its import string."""

import importlib
import inspect
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from portico.adapters.engine import ASGIApp


class LoadError(Exception):
    """There is no ASGI application; the text is one line that says what to do."""


def load_application(target: str) -> ASGIApp:
    """Import *target*, looking in the current directory first.

    Args:
        target: ``package.module:attribute``; the attribute may have dots. A callable without
            arguments is taken for a factory and called.

    Returns:
        An ASGI 3 application.

    Raises:
        LoadError: No such module or attribute, an error while importing, or no ASGI application.
    """
    module_name, separator, attribute = target.partition(":")
    if not separator or not module_name or not attribute:
        raise LoadError(f"{target!r} is no package.module:app; did you mean {module_name}:app?")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return _check(target, _find(_import(module_name), attribute))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            raise LoadError(f"no module {missing!r} in {Path.cwd()} or among packages") from error
        raise LoadError(f"{name} needs the module {missing!r}, which is not installed") from error
    except Exception as error:
        raise LoadError(f"{name} cannot be imported: {_describe(error)}") from error


def _describe(error: Exception) -> str:
    summary = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError):  # it says itself where it is
        return summary
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{summary} ({place.filename}:{place.lineno})"


def _find(module: ModuleType, attribute: str) -> Any:
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise LoadError(f"{module.__name__} has no {attribute!r}{_suggest(found, name)}")
        found = getattr(found, name)
    return found


def _suggest(owner: object, name: str) -> str:
    near = get_close_matches(name, (known for known in dir(owner) if known[0] != "_"), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _check(target: str, found: Any) -> ASGIApp:
    if not callable(found):
        raise LoadError(f"{target} is no application but {type(found).__name__}")
    match _count_parameters(found):
        case 0:
            return _check(f"{target}()", _make(target, found))
        case 2:
            raise LoadError(
                f"{target} is a WSGI application; put an adapter such as a2wsgi around it"
            )
        case 1:
            raise LoadError(f"{target} takes one argument; an ASGI 3 application takes three")
        case _:
            application: ASGIApp = found
            return application


def _make(target: str, factory: Any) -> Any:
    try:
        return factory()
    except Exception as error:
        raise LoadError(f"{target}() failed: {_describe(error)}") from error


def _count_parameters(found: Any) -> int | None:
    """Count the arguments that must be given; None where that cannot be seen."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(
        parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        for parameter in parameters
    )
