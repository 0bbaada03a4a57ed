"""What an application that uses quart-cors has configured, in Portico's settings.

Source: quart-cors 0.8, ``cors``, ``route_cors`` and its configuration keys.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

__all__ = ["Configuration", "Difference", "Imported", "read_application", "translate"]

DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "allow_credentials": False,
        "allow_headers": ("*",),
        "allow_methods": ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"),
        "allow_origin": ("*",),
        "expose_headers": (),
        "max_age": None,
        "send_origin_wildcard": True,
    }
)
_PREFIX: Final = "QUART_CORS_"
_EXEMPT: Final = "_quart_cors_exempt"
_MODULE: Final = "quart_cors"
# What browsers take for a Max-Age that is not there (Fetch, CORS-preflight fetch, step 7.9).
_BROWSERS_MAX_AGE_S: Final = 5
_LONGEST_MAX_AGE_S: Final = 86400
# One wildcard in front of a plain domain, as people write it.
_SUBDOMAINS: Final = re.compile(
    r"\^?(?P<scheme>https?):(?:/|\\/){2}(?:\(\?:)?(?:\.[*+]\??|\[\^[^\]]+\][*+]|\\w[*+]|\[[\w\\-]+\][*+])"
    r"\\\.(?P<domain>[a-z0-9-]+(?:\\\.[a-z0-9-]+)+)(?P<port>:\d+)?\$?"
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was found.

    Attributes:
        keys: The ``QUART_CORS_*`` keys.
        arguments: What ``cors(app, ...)`` was given, or None where it was not called.
        partial: What concerns a part of the application: where, and what.
    """

    keys: Mapping[str, Any]
    arguments: Mapping[str, Any] | None = None
    partial: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> Any:
        """Give a value as quart-cors finds it: an argument, a key, its default."""
        given = (self.arguments or {}).get(name)
        key = self.keys.get(f"{_PREFIX}{name.upper()}", DEFAULTS[name])
        if isinstance(DEFAULTS[name], bool):
            return given or key  # so that an argument False changes nothing there
        return key if given is None else given


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that Portico does otherwise.

    Attributes:
        code: Stable name.
        where: The key, argument or route that it comes from.
        message: What changes.
        carried: Whether the settings keep what was meant; otherwise someone must decide.
    """

    code: str
    where: str
    message: str
    carried: bool = True


@dataclass(slots=True)
class Imported:
    """The result.

    Attributes:
        settings: The group ``cors``.
        differences: In the order of the settings.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def differ(self, code: str, where: str, message: str, *, carried: bool = True) -> None:
        """Note a difference."""
        self.differences.append(Difference(code, where, message, carried))


def read_application(app: Any) -> Configuration:
    """Read the configuration of a Quart application, blueprints and routes included."""
    keys = {name: value for name, value in app.config.items() if name.startswith(_PREFIX)}
    hooks = {scope: _arguments(functions) for scope, functions in app.after_request_funcs.items()}
    parts = [
        (f"blueprint {scope}", "cors(blueprint, ...)")
        for scope, arguments in hooks.items()
        if scope is not None and arguments is not None
    ]
    parts += [part for name, view in app.view_functions.items() for part in _part(name, view)]
    return Configuration(keys, hooks.get(None), tuple(parts))


def _arguments(functions: Iterable[Any]) -> Mapping[str, Any] | None:
    """Find the hook of ``cors`` among an application's, which is a partial of its function."""
    for function in functions:
        if getattr(getattr(function, "func", None), "__module__", None) == _MODULE:
            keywords: Mapping[str, Any] = function.keywords
            return keywords
    return None


def _part(name: str, view: Any) -> Iterator[tuple[str, str]]:
    if getattr(view, _EXEMPT, False):
        yield f"route {name}", "cors_exempt"
    code = getattr(view, "__code__", None)
    if code is not None and _MODULE in code.co_filename and "func" in code.co_freevars:
        given = inspect.getclosurevars(view).nonlocals
        kind = "route_cors" if "allow_methods" in given else "websocket_cors"
        yield f"route {name}", kind


def translate(found: Configuration) -> Imported:
    """Say the same in Portico's settings, and what is not the same."""
    imported = Imported()
    _origins(found, imported)
    _methods(found, imported)
    _headers(found, imported)
    _max_age(found, imported)
    _always(found, imported)
    for where, what in found.partial:
        message = f"{what}: Portico has one CORS policy for all routes; this one is not carried"
        imported.differ("part-of-application", where, message, carried=False)
    return imported


def _origins(found: Configuration, imported: Imported) -> None:
    credentials = bool(found.get("allow_credentials"))
    origins: list[str] = []
    for item in _listed(found.get("allow_origin")):
        if isinstance(item, re.Pattern):
            origins += _pattern(item, imported)
        elif item == "null":
            imported.settings["allow_null"] = True
        else:
            origins.append(item)
    if "*" in origins and credentials:
        message = "quart-cors raises ValueError for * with credentials, at each request"
        imported.differ("wildcard-with-credentials", "allow_origin", message, carried=False)
    if "*" in origins and not found.get("send_origin_wildcard"):
        message = "* is answered as *, and never as the origin that asked"
        imported.differ("wildcard-not-reflected", "send_origin_wildcard", message)
    imported.settings["origins"] = ["*"] if "*" in origins else sorted(origins)
    imported.settings["allow_credentials"] = credentials


def _pattern(pattern: re.Pattern[str], imported: Imported) -> list[str]:
    """Say a regular expression as a pattern, if it is one that means the subdomains of a name."""
    match = _SUBDOMAINS.fullmatch(pattern.pattern)
    where = f"allow_origin {pattern.pattern}"
    if match is None:
        message = "regular expressions are not read; write https://*.example.com or each origin"
        imported.differ("regular-expression", where, message, carried=False)
        return []
    domain = match["domain"].replace("\\.", ".")
    origin = f"{match['scheme']}://*.{domain}{match['port'] or ''}"
    message = f"becomes {origin}, which must be the whole origin: re.match looked at its beginning"
    imported.differ("regular-expression", where, message)
    return [origin]


def _methods(found: Configuration, imported: Imported) -> None:
    methods = sorted(filter(None, _listed(found.get("allow_methods"))))
    imported.settings["methods"] = methods
    missing = sorted({"GET", "HEAD", "POST"} - {*methods}) if "*" not in methods else []
    if missing:
        message = f"{', '.join(missing)} is safelisted: no preflight keeps it out of any server"
        imported.differ("safelisted-method", "allow_methods", message)


def _headers(found: Configuration, imported: Imported) -> None:
    headers = sorted(filter(None, _listed(found.get("allow_headers"))))
    if "*" in headers:
        # quart-cors reflects what was asked; * alone does not cover Authorization (Fetch 3.3.4).
        headers = ["*"] if found.get("allow_credentials") else ["*", "Authorization"]
    imported.settings["request_headers"] = headers
    imported.settings["expose"] = sorted(filter(None, _listed(found.get("expose_headers"))))


def _max_age(found: Configuration, imported: Imported) -> None:
    value = found.get("max_age")
    if value is None:
        imported.settings["max_age"] = _BROWSERS_MAX_AGE_S
        message = "without one browsers keep a preflight for 5 s, which is now said"
        imported.differ("max-age-said", "max_age", message)
        return
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    imported.settings["max_age"] = min(max(seconds, 0), _LONGEST_MAX_AGE_S)
    if seconds != imported.settings["max_age"]:
        message = f"{seconds} s becomes {imported.settings['max_age']} s: from 0 to one day"
        imported.differ("max-age-bounded", "max_age", message)


def _always(found: Configuration, imported: Imported) -> None:
    """Note what differs whatever is configured."""
    imported.differ(
        "preflight-answered",
        "OPTIONS",
        "preflights are answered by the policy with 204 and the configured lists, before "
        "authentication; the application no longer sees them",
    )
    imported.differ(
        "errors-covered",
        "errors",
        "answers to errors carry CORS headers too, so that scripts can read their status",
    )
    if found.arguments is None:
        message = "cors(app) was not called: these settings hold for every route from now on"
        imported.differ("application-not-covered", "cors", message, carried=False)
        return
    imported.settings["websocket_missing_origin"] = "deny"
    message = "a handshake without an allowed Origin gets 403, where quart-cors answered 400"
    imported.differ("websocket-status", "WebSocket", message)


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, (str, re.Pattern)) else list(value)
