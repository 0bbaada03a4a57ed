"""The settings of what each request may do: CORS, authentication, proxies, hosts, limits."""

from typing import Final, Literal

from portico.core.settings.addresses import ORIGINS, PEERS, SERVED_HOSTS
from portico.core.settings.group import Group, group
from portico.core.settings.kinds import (
    BOOLEAN,
    OK_STATUS,
    PATH,
    RATE,
    SECRET,
    TEXT,
    choice,
    count,
)
from portico.core.settings.lists import WORDS
from portico.core.settings.quantities import DURATION, TIMEOUT, duration, size
from portico.core.settings.secret import Secret
from portico.core.settings.spec import setting

DEFAULT_ORIGINS: Final = (
    "http://letta.localhost",
    "http://localhost:8283",
    "http://localhost:8083",
    "http://localhost:3000",
    "http://localhost:4200",
    "https://app.letta.com",
)
"""The five of the reference documentation, and its hosted application."""

_DAY_S: Final = 86_400.0
YEAR_S: Final = 365 * _DAY_S


@group
class CorsSettings(Group):
    """Which Web origins may read answers."""

    origins: tuple[str, ...] = setting(
        DEFAULT_ORIGINS,
        ORIGINS,
        "LETTA_CORS_ORIGINS",
        flag="--cors-origin",
        live=True,
        security=True,
        doc="Web origins that may read answers; [] means none, which switches CORS off.",
        recommend="Only the origins of your own front ends, https in production.",
    )
    extra_origins: tuple[str, ...] = setting(
        (),
        ORIGINS,
        "ACCEPTABLE_ORIGINS",
        "LETTA_EXTRA_ORIGINS",
        live=True,
        security=True,
        doc="Origins added to cors.origins.",
    )
    allow_credentials: bool = setting(
        True,
        BOOLEAN,
        "LETTA_CORS_CREDENTIALS",
        live=True,
        security=True,
        doc="Let browsers send cookies and credentials; not possible with *.",
    )
    methods: tuple[str, ...] = setting(
        ("*",),
        WORDS,
        "LETTA_CORS_METHODS",
        live=True,
        security=True,
        doc="Methods that origins may use.",
    )
    request_headers: tuple[str, ...] = setting(
        ("*",),
        WORDS,
        "LETTA_CORS_HEADERS",
        live=True,
        security=True,
        doc="Request headers that origins may send.",
    )
    expose: tuple[str, ...] = setting(
        (),
        WORDS,
        "LETTA_CORS_EXPOSE",
        live=True,
        security=True,
        doc="Response headers that scripts may read besides the safelisted ones.",
    )
    max_age: float = setting(
        600.0,
        duration(0.0, _DAY_S),
        "LETTA_CORS_MAX_AGE",
        live=True,
        security=True,
        doc="Time for which browsers may keep the answer to a preflight; 0 is off.",
    )
    preflight_failure: Literal["static", "deny"] = setting(
        "static",
        choice("static", "deny"),
        "LETTA_CORS_PREFLIGHT_FAILURE",
        live=True,
        security=True,
        doc="A preflight that asks too much gets the static lists, or is denied with 403.",
    )
    preflight_status: int = setting(
        204,
        OK_STATUS,
        "LETTA_CORS_PREFLIGHT_STATUS",
        live=True,
        security=True,
        doc="The status of a successful preflight.",
    )
    allow_null: bool = setting(
        False,
        BOOLEAN,
        "LETTA_CORS_ALLOW_NULL",
        live=True,
        security=True,
        doc="Allow the origin null (sandboxed frames, files); never with credentials.",
    )
    static_origin: bool = setting(
        False,
        BOOLEAN,
        "LETTA_CORS_STATIC_ORIGIN",
        live=True,
        security=True,
        doc="Answer the one exact origin always, so that caches need no Vary.",
    )
    private_network: bool = setting(
        False,
        BOOLEAN,
        "LETTA_CORS_PRIVATE_NETWORK",
        live=True,
        security=True,
        doc="Let public pages reach this server on a private network.",
    )
    timing_allow_origin: Literal["*", "allowed"] | None = setting(
        None,
        choice("*", "allowed"),
        "LETTA_CORS_TIMING_ALLOW_ORIGIN",
        live=True,
        security=True,
        doc="Who may read resource timing: * or the allowed origins.",
    )
    resource_policy: Literal["same-origin", "same-site", "cross-origin"] | None = setting(
        None,
        choice("same-origin", "same-site", "cross-origin"),
        "LETTA_CORS_RESOURCE_POLICY",
        live=True,
        security=True,
        doc="Cross-Origin-Resource-Policy on every answer.",
    )
    websocket_missing_origin: Literal["allow", "deny"] = setting(
        "allow",
        choice("allow", "deny"),
        "LETTA_CORS_WEBSOCKET_MISSING_ORIGIN",
        live=True,
        security=True,
        doc="A WebSocket handshake without Origin, which no browser sends, is allowed or denied.",
    )


@group
class AuthSettings(Group):
    """Who may ask."""

    required: bool = setting(
        False,
        BOOLEAN,
        "LETTA_SERVER_SECURE",
        "SECURE",
        flag="--secure",
        live=True,
        security=True,
        doc="Demand the password or an API key on every request but probes.",
        recommend="true wherever others can reach the server.",
    )
    password: Secret | None = setting(
        None,
        SECRET,
        "LETTA_SERVER_PASSWORD",
        live=True,
        security=True,
        doc="The password, sent as Authorization: Bearer or X-BARE-PASSWORD.",
    )
    api_keys_file: str | None = setting(
        None,
        PATH,
        "LETTA_API_KEYS_FILE",
        live=True,
        security=True,
        doc="A file of hashed API keys with their principals and scopes.",
    )


@group
class ProxySettings(Group):
    """Which proxies stand in front."""

    trusted: tuple[str, ...] = setting(
        (),
        PEERS,
        "LETTA_TRUSTED_PROXIES",
        live=True,
        security=True,
        doc="Addresses, networks or unix whose Forwarded and X-Forwarded-* headers count.",
    )
    hops: int = setting(
        0,
        count(0),
        "LETTA_PROXY_HOPS",
        live=True,
        security=True,
        doc="Proxies between the client and the server at most; 0 sets no bound.",
    )


@group
class HostsSettings(Group):
    """Which hosts are served."""

    allowed: tuple[str, ...] = setting(
        (),
        SERVED_HOSTS,
        "LETTA_ALLOWED_HOSTS",
        live=True,
        security=True,
        doc="Hosts that are served; others get 421. Empty means any.",
    )


@group
class RateLimitSettings(Group):
    """How often clients may ask."""

    default: str | None = setting(
        None,
        RATE,
        "LETTA_RATE_LIMIT",
        live=True,
        doc="Requests per principal or client address, such as 100/s burst 200.",
    )
    auth_failures: str = setting(
        "10/min",
        RATE,
        "LETTA_RATE_LIMIT_AUTH_FAILURES",
        live=True,
        doc="Failed authentications per client address, and a hundred times that of all.",
    )
    store: Literal["memory", "redis"] = setting(
        "memory",
        choice("memory", "redis"),
        "LETTA_RATE_LIMIT_STORE",
        doc="Where the counts live: memory of each worker, or redis (redis.url).",
        recommend="redis with several workers or nodes.",
    )
    on_store_failure: Literal["open", "closed", "local"] = setting(
        "open",
        choice("open", "closed", "local"),
        "LETTA_RATE_LIMIT_ON_STORE_FAILURE",
        live=True,
        doc="When the store fails: admit all, refuse all, or count in each worker, as is done with"
        " failed authentications where all are admitted.",
    )


@group
class HeadersSettings(Group):
    """Security headers on answers that set none themselves."""

    hsts: float = setting(
        YEAR_S,
        DURATION,
        "LETTA_HSTS",
        live=True,
        doc="Strict-Transport-Security's max-age when the scheme is https; 0 sends none.",
    )
    csp: str = setting(
        "default-src 'self'",
        TEXT,
        "LETTA_CSP",
        live=True,
        doc="Content-Security-Policy of HTML answers.",
    )
    frame_options: Literal["DENY", "SAMEORIGIN"] = setting(
        "DENY",
        choice("DENY", "SAMEORIGIN"),
        "LETTA_FRAME_OPTIONS",
        live=True,
        doc="X-Frame-Options, and frame-ancestors beside it.",
    )
    referrer_policy: str = setting(
        "no-referrer",
        choice(
            "no-referrer",
            "no-referrer-when-downgrade",
            "origin",
            "origin-when-cross-origin",
            "same-origin",
            "strict-origin",
            "strict-origin-when-cross-origin",
            "unsafe-url",
        ),
        "LETTA_REFERRER_POLICY",
        live=True,
        doc="Referrer-Policy.",
    )
    opener_policy: str = setting(
        "same-origin",
        choice("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"),
        "LETTA_OPENER_POLICY",
        live=True,
        doc="Cross-Origin-Opener-Policy.",
    )


@group
class CompressionSettings(Group):
    """Content coding."""

    enabled: bool = setting(
        True,
        BOOLEAN,
        "LETTA_COMPRESSION",
        live=True,
        doc="Compress answers with gzip, br or zstd as the client accepts.",
    )
    min_size: int = setting(
        1024,
        size(),
        "LETTA_COMPRESSION_MIN_SIZE",
        live=True,
        doc="Smallest body that is compressed.",
    )


@group
class StreamingSettings(Group):
    """Streams of events."""

    keepalive: bool = setting(
        True,
        BOOLEAN,
        "LETTA_ENABLE_KEEPALIVE",
        live=True,
        doc="Send ping events on quiet streams.",
    )
    keepalive_interval: float = setting(
        20.0,
        TIMEOUT,
        "LETTA_KEEPALIVE_INTERVAL",
        live=True,
        doc="Time between pings on a quiet stream.",
    )
    cancellation_aware: bool = setting(
        True,
        BOOLEAN,
        "LETTA_ENABLE_CANCELLATION_AWARE_STREAMING",
        live=True,
        doc="A cancelled run ends its streams.",
    )
