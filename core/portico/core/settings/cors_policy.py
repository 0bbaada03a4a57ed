"""The CORS policy that the settings ask for, and what is wrong with it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from portico.core.settings.resolution import Finding, Place, Resolution
from portico.core.settings.suggestions import did_you_mean
from portico.core.settings.table import TABLE, Settings

if TYPE_CHECKING:
    from portico.core.cors import CorsConfig, CorsConfigError

_PATHS: Final = {"credentials": "cors.allow_credentials"}
_ADDED: Final = "cors.extra_origins"


def cors_config(settings: Settings) -> "CorsConfig | None":
    """Return the CORS policy of *settings* as written, or None for no CORS at all.

    Added origins come after the others; ``*`` among them stands for all. Origins over plain http
    are accepted here: ``insecure-origin`` warns of them (settings.md).
    """
    # Settings are imported by commands that never decide on CORS.
    from portico.core.cors import CorsConfig

    cors = settings.cors
    origins = tuple(dict.fromkeys((*cors.origins, *cors.extra_origins)))
    if not origins:
        return None
    return CorsConfig(
        origins=("*",) if "*" in origins else origins,
        credentials=cors.allow_credentials,
        allow_null=cors.allow_null,
        static_origin=cors.static_origin,
        methods=cors.methods,
        request_headers=cors.request_headers,
        expose=cors.expose,
        max_age=int(cors.max_age),
        preflight_failure=cors.preflight_failure,
        preflight_status=cors.preflight_status,
        private_network=cors.private_network,
        timing_allow_origin=cors.timing_allow_origin,
        resource_policy=cors.resource_policy,
        websocket_missing_origin=cors.websocket_missing_origin,
        dangerously_allow_insecure_origins=True,
    )


def check_policy(
    resolution: Resolution, is_public_suffix: Callable[[str], bool] | None = None
) -> tuple[Finding, ...]:
    """Compile the CORS policy and return what is left to find wrong with it.

    Args:
        resolution: The outcome of ``resolve``; one with problems has nothing to compile.
        is_public_suffix: Says whether a domain is a public suffix; None skips that check.

    Returns:
        A finding under each CORS configuration code, at the setting that holds the value.
    """
    config = None if resolution.settings is None else cors_config(resolution.settings)
    if config is None:
        return ()
    from portico.core.cors import CorsConfigErrors, CorsPolicy

    try:
        CorsPolicy.compile(config, is_public_suffix)
    except CorsConfigErrors as errors:
        return tuple(_finding(resolution, error) for error in errors.errors)
    return ()


def _finding(resolution: Resolution, error: "CorsConfigError") -> Finding:
    path = _path(resolution, error)
    decided = resolution.trace[path][0]
    place = Place("at", decided.origin, decided.name, decided.text)
    message = f"{error.value} {error.message}{did_you_mean(error.suggestion)}"
    fix = f"write {error.suggestion}" if error.suggestion else ""
    return Finding(error.code, path, decided.origin, message, fix, (place,))


def _path(resolution: Resolution, error: "CorsConfigError") -> str:
    """Return the setting that holds the value: added origins have one of their own."""
    path = _PATHS.get(error.field, f"cors.{error.field}")
    values = resolution.values
    if path == "cors.origins" and error.value not in _list(values.get(path)):
        return _ADDED if error.value in _list(values.get(_ADDED)) else path
    return path if path in TABLE else "cors.origins"


def _list(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()
