"""What an operator may configure, judged whole: every error at once, one code an item."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from portico.core.cors.fetch import (
    CORS_RESPONSE_HEADERS,
    FORBIDDEN_METHODS,
    FORBIDDEN_RESPONSE_HEADERS,
    TOKEN,
    is_forbidden_request_header,
)
from portico.core.origin import OriginError, is_loopback_origin, parse_pattern

__all__ = ["CorsConfig", "CorsConfigError", "CorsConfigErrors", "PublicSuffixTest", "judge"]

PublicSuffixTest = Callable[[str], bool]
"""Whether a domain, such as ``github.io``, is a public suffix; a kept-up library's function."""

MAX_AGE_LIMIT_S = 86400
"""The longest time that any browser keeps a preflight (Firefox; Chromium keeps 7200 s)."""


@dataclass(frozen=True, slots=True)
class CorsConfig:
    """A CORS policy as written, before it is judged.

    Attributes:
        origins: Canonical origins and patterns, or ``*``.
        credentials: Whether cookies and HTTP authentication may accompany requests.
        allow_null: Whether the opaque origin ``null`` is allowed.
        static_origin: Whether the one origin is answered to everyone, so that caches need no Vary.
        methods: Methods beyond GET, HEAD and POST, or ``*``.
        request_headers: Names of request headers beyond the safelisted, or ``*``.
        expose: Names of response headers that pages may read, or ``*``.
        max_age: Seconds for which a browser may keep a preflight; None leaves it its 5 s, 0 is off.
        preflight_failure: ``static`` answers failed preflights with the full lists and lets the
            browser name the error; ``deny`` answers 403 or 400.
        preflight_status: Status of answered preflights, from 200 to 299.
        private_network: Whether preflights may open the private network.
        timing_allow_origin: ``*``, ``allowed`` for the same value as Allow-Origin, or None.
        resource_policy: Cross-Origin-Resource-Policy of every response, or None.
        websocket_missing_origin: What a handshake without Origin gets.
        dangerously_allow_insecure_origins: Accept http origins with credentials.
        dangerously_allow_public_suffixes: Accept ``*.`` before public suffixes with credentials.

    Raises:
        ValueError: A value outside a field's enumeration, or a bare string for a list.
    """

    origins: tuple[str, ...] = ()
    credentials: bool = False
    allow_null: bool = False
    static_origin: bool = False
    methods: tuple[str, ...] = ()
    request_headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: int | None = None
    preflight_failure: Literal["static", "deny"] = "static"
    preflight_status: int = 204
    private_network: bool = False
    timing_allow_origin: Literal["*", "allowed"] | None = None
    resource_policy: Literal["same-site", "same-origin", "cross-origin"] | None = None
    websocket_missing_origin: Literal["allow", "deny"] = "allow"
    dangerously_allow_insecure_origins: bool = False
    dangerously_allow_public_suffixes: bool = False

    def __post_init__(self) -> None:
        for field in ("origins", "methods", "request_headers", "expose"):
            if isinstance(getattr(self, field), str):
                raise ValueError(f"{field} must be a list of texts, not one text")
        for field, choices in _CHOICES.items():
            if getattr(self, field) not in choices:
                raise ValueError(f"{field} must be one of {choices}")


_CHOICES: dict[str, tuple[str | None, ...]] = {
    "preflight_failure": ("static", "deny"),
    "timing_allow_origin": ("*", "allowed", None),
    "resource_policy": ("same-site", "same-origin", "cross-origin", None),
    "websocket_missing_origin": ("allow", "deny"),
}

_MESSAGES = {
    "origins_missing": "no origin is allowed; leave CORS out instead",
    "origin_any_with_credentials": "* cannot be combined with credentials; list the origins",
    "origin_null_requires_flag": "null is every sandboxed page and file; allow_null says so",
    "origin_null_with_credentials": "null cannot be trusted with credentials",
    "origin_wildcard_public_suffix": "anyone can register a name under this public suffix,"
    " and would get credentials",
    "origin_insecure_with_credentials": "anyone on the network can read what http carries,"
    " credentials included; use https",
    "static_origin_needs_one_exact_origin": "static_origin needs exactly one origin,"
    " without a wildcard",
    "method_invalid_token": "is not a method name",
    "method_forbidden": "no browser sends this method for a page",
    "request_header_invalid_token": "is not a header name",
    "request_header_forbidden": "no page can set this header, so that allowing it does nothing",
    "request_header_is_response_header": "is a header of responses; requests never carry it",
    "expose_invalid_token": "is not a header name",
    "expose_forbidden": "no page can read this header, so that exposing it does nothing",
    "expose_wildcard_with_credentials": "with credentials * is read as a name; list the headers",
    "max_age_out_of_range": f"must be from 0 to {MAX_AGE_LIMIT_S} seconds",
    "preflight_status_not_ok": "must be from 200 to 299: browsers refuse preflights otherwise",
}


@dataclass(frozen=True, slots=True)
class CorsConfigError:
    """One thing that is wrong with a configuration.

    Attributes:
        code: Stable name of the mistake.
        field: The field of `CorsConfig` that holds it.
        value: The item or value.
        message: For the person who must act.
        suggestion: What was probably meant, or None.
    """

    code: str
    field: str
    value: object
    message: str
    suggestion: str | None = None


class CorsConfigErrors(ValueError):  # noqa: N818 -- it carries several
    """All that is wrong with a configuration, in the order of the fields and their items."""

    def __init__(self, errors: tuple[CorsConfigError, ...]) -> None:
        super().__init__("; ".join(f"{e.field} {e.value!r}: {e.message}" for e in errors))
        self.errors = errors


def judge(
    config: CorsConfig, is_public_suffix: PublicSuffixTest | None
) -> tuple[CorsConfigError, ...]:
    """Find everything that is wrong with *config*.

    Args:
        config: The policy as written.
        is_public_suffix: Without it, patterns are not checked against public suffixes.

    Returns:
        The errors in the order of the fields and of the items in them; empty for a good policy.
    """
    return (
        *_judge_origins(config, is_public_suffix),
        *_judge_switches(config),
        *_judge_items("methods", config.methods, _judge_method),
        *_judge_items("request_headers", config.request_headers, _judge_request_header),
        *_judge_items("expose", config.expose, lambda name: _judge_expose(name, config)),
        *_judge_numbers(config),
    )


def _error(code: str, field: str, value: object) -> CorsConfigError:
    return CorsConfigError(code, field, value, _MESSAGES[code])


def _judge_origins(
    config: CorsConfig, is_public_suffix: PublicSuffixTest | None
) -> Iterator[CorsConfigError]:
    if not config.origins:
        yield _error("origins_missing", "origins", config.origins)
    for text in config.origins:
        try:
            code = _judge_origin(text, config, is_public_suffix)
        except OriginError as error:
            yield CorsConfigError(error.code, "origins", text, error.message, error.suggestion)
        else:
            if code is not None:
                yield _error(code, "origins", text)


def _judge_origin(
    text: str, config: CorsConfig, is_public_suffix: PublicSuffixTest | None
) -> str | None:
    if text == "*":
        return "origin_any_with_credentials" if config.credentials else None
    if text == "null":
        return None if config.allow_null else "origin_null_requires_flag"
    pattern = parse_pattern(text)
    if not config.credentials or is_loopback_origin(text):
        return None
    # Without credentials a wide pattern gives no more than `*` would, so both rules are silent.
    shared = pattern.subdomains and _is_registrable_under(pattern.host, is_public_suffix)
    if shared and not config.dangerously_allow_public_suffixes:
        return "origin_wildcard_public_suffix"
    if pattern.scheme == "http" and not config.dangerously_allow_insecure_origins:
        return "origin_insecure_with_credentials"
    return None


def _is_registrable_under(host: str, is_public_suffix: PublicSuffixTest | None) -> bool:
    """Whether anyone can register names under *host*; nobody can under localhost (RFC 6761 6.3)."""
    return is_public_suffix is not None and host != "localhost" and is_public_suffix(host)


def _judge_switches(config: CorsConfig) -> Iterator[CorsConfigError]:
    if config.allow_null and config.credentials:
        yield _error("origin_null_with_credentials", "allow_null", True)
    if config.static_origin and not _names_one_origin(config.origins):
        yield _error("static_origin_needs_one_exact_origin", "static_origin", True)


def _names_one_origin(origins: tuple[str, ...]) -> bool:
    """Whether one exact origin is meant; a misspelt one has its own error already."""
    distinct = set(origins)
    return len(distinct) == 1 and "*" not in "".join(distinct) and distinct != {"null"}


def _judge_items(
    field: str, items: tuple[str, ...], judge_item: Callable[[bytes], str | None]
) -> Iterator[CorsConfigError]:
    for item in items:
        code = judge_item(item.encode(errors="replace"))
        if code is not None:
            yield _error(code, field, item)


def _judge_method(method: bytes) -> str | None:
    if not TOKEN.fullmatch(method):
        return "method_invalid_token"
    return "method_forbidden" if method.upper() in FORBIDDEN_METHODS else None


def _judge_request_header(name: bytes) -> str | None:
    lower = name.lower()
    if not TOKEN.fullmatch(name):
        return "request_header_invalid_token"
    if is_forbidden_request_header(lower):
        return "request_header_forbidden"
    return "request_header_is_response_header" if lower in CORS_RESPONSE_HEADERS else None


def _judge_expose(name: bytes, config: CorsConfig) -> str | None:
    if not TOKEN.fullmatch(name):
        return "expose_invalid_token"
    if name.lower() in FORBIDDEN_RESPONSE_HEADERS:
        return "expose_forbidden"
    # With credentials `*` is an ordinary name (Fetch #cors-protocol-and-credentials).
    wildcard = name == b"*" and config.credentials
    return "expose_wildcard_with_credentials" if wildcard else None


def _judge_numbers(config: CorsConfig) -> Iterator[CorsConfigError]:
    if config.max_age is not None and not 0 <= config.max_age <= MAX_AGE_LIMIT_S:
        yield _error("max_age_out_of_range", "max_age", config.max_age)
    # A preflight needs an ok status (Fetch #cors-preflight-fetch-0 step 7).
    if not 200 <= config.preflight_status <= 299:
        yield _error("preflight_status_not_ok", "preflight_status", config.preflight_status)
