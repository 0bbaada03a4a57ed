"""CORS decisions: everything that can be known beforehand is built once, at compile time.

Row numbers are those of the decision table in docs/cors.md; anchors are the Fetch standard's.
"""

from dataclasses import dataclass

from portico.core.cors.config import CorsConfig, CorsConfigErrors, PublicSuffixTest, judge
from portico.core.cors.decision import CorsDecision, HeaderLines, Kind, Reason
from portico.core.cors.fetch import SAFELISTED_RESPONSE_HEADERS
from portico.core.cors.patterns import PatternSet
from portico.core.cors.preflight import SYNTAX_REASONS, PreflightRules
from portico.core.events import Headers, RequestHead
from portico.core.origin import is_serialised, parse_pattern

__all__ = ["CorsPolicy"]

ACAO = b"access-control-allow-origin"
ACRM = b"access-control-request-method"
ACRH = b"access-control-request-headers"
ACRPN = b"access-control-request-private-network"
TAO = b"timing-allow-origin"

_CREDENTIALS: HeaderLines = ((b"access-control-allow-credentials", b"true"),)
_PRIVATE_NETWORK: HeaderLines = ((b"access-control-allow-private-network", b"true"),)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Grant:
    """The headers that an allowed origin gets.

    Attributes:
        rest: What follows Access-Control-Allow-Origin.
        timing: Whether Timing-Allow-Origin repeats the origin (row 23, #concept-tao-check).
        fixed: What every origin gets, where the answer does not depend on it.
    """

    rest: HeaderLines = ()
    timing: bool = False
    fixed: HeaderLines | None = None

    def headers(self, origin: bytes) -> HeaderLines:
        if self.fixed is not None:
            return self.fixed
        if self.timing:
            return ((ACAO, origin), (TAO, origin), *self.rest)
        return ((ACAO, origin), *self.rest)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Origins:
    """The configured origins, compiled; with *any*, the others say nothing more."""

    any: bool
    allow_null: bool
    exact: frozenset[bytes]
    patterns: PatternSet

    @classmethod
    def compile(cls, config: CorsConfig) -> "_Origins":
        patterns = [parse_pattern(text) for text in config.origins if text not in ("*", "null")]
        return cls(
            any="*" in config.origins,
            allow_null=config.allow_null,
            exact=frozenset(pattern.text.encode() for pattern in patterns if pattern.exact),
            patterns=PatternSet.compile(pattern for pattern in patterns if not pattern.exact),
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Stage:
    """Every answer to one kind of request.

    Attributes:
        absent: Without Origin.
        anyone: Whatever the origin, under ``*``.
        known: By exact origin, and ``null``.
        not_allowed: An origin that is not among the configured.
        malformed: No origin at all.
        multiple: Several lines.
        patterns: Origins allowed by pattern.
        kind: Of decisions for them.
        status: Of decisions for them.
        grant: Their headers.
    """

    absent: CorsDecision
    anyone: CorsDecision | None
    known: dict[bytes, CorsDecision]
    not_allowed: CorsDecision
    malformed: CorsDecision
    multiple: CorsDecision
    patterns: PatternSet
    kind: Kind
    status: int | None
    grant: _Grant

    def judge(self, value: bytes) -> CorsDecision:
        """Decide for one Origin line that is not among the known."""
        if self.anyone is not None:  # row 6: nothing of the origin matters
            return self.anyone
        origin = value.strip(b" \t")  # RFC 9110 5.5: not part of the value
        if origin is not value and (decision := self.known.get(origin)) is not None:
            return decision
        if not is_serialised(origin):  # row 10
            return self.malformed
        if not self.patterns.ends or not self.patterns.match(origin):  # row 8
            return self.not_allowed
        headers = self.grant.headers(origin)
        return CorsDecision(self.kind, True, self.status, headers, "origin_pattern")


def _stage(
    origins: _Origins,
    absent: CorsDecision,
    kind: Kind,
    grant: _Grant,
    refused: HeaderLines,
    *,
    status: int | None = None,
    refusal_status: int | None = None,
) -> _Stage:
    def allow(origin: bytes, reason: Reason) -> CorsDecision:
        return CorsDecision(kind, True, status, grant.headers(origin), reason)

    def refuse(reason: Reason) -> CorsDecision:
        return CorsDecision(kind, False, refusal_status, refused, reason)

    known = {origin: allow(origin, "origin_exact") for origin in origins.exact}
    known[b"null"] = (  # row 9, #origin-header
        allow(b"null", "origin_null_allowed")
        if origins.allow_null
        else refuse("origin_null_denied")
    )
    return _Stage(
        absent=absent,
        anyone=allow(b"*", "origin_any") if origins.any else None,
        known={} if origins.any else known,
        not_allowed=refuse("origin_not_allowed"),
        malformed=refuse("origin_malformed"),
        multiple=refuse("origin_multiple"),
        patterns=origins.patterns,
        kind=kind,
        status=status,
        grant=grant,
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CorsPolicy:
    """An immutable policy; see `compile` and `decide`."""

    config: CorsConfig
    _plain: _Stage
    _options: _Stage
    _preflight: _Stage
    _websocket: _Stage
    _rules: PreflightRules
    _preflight_tail: HeaderLines
    _denied: dict[Reason, CorsDecision]

    @classmethod
    def compile(
        cls, config: CorsConfig, is_public_suffix: PublicSuffixTest | None = None
    ) -> "CorsPolicy":
        """Judge a configuration and build every answer that can be built beforehand.

        Args:
            config: The policy as written.
            is_public_suffix: Whether a domain such as ``github.io`` is a public suffix; without it
                patterns are not checked against them.

        Returns:
            The policy.

        Raises:
            CorsConfigErrors: With every error at once.
        """
        errors = judge(config, is_public_suffix)
        if errors:
            raise CorsConfigErrors(errors)
        return _compile(config)

    @classmethod
    def disabled(cls) -> "CorsPolicy":
        """No CORS at all: no header, the application answers, pages open no WebSocket.

        It is what an explicitly empty list of origins in the settings means.
        """
        return _compile(CorsConfig())

    def decide(self, head: RequestHead) -> CorsDecision:
        """Decide what one request may do.

        Args:
            head: Only its kind, method and headers are read; on the common path only Origin.

        Returns:
            The decision; for exact, absent and refused origins one that is shared.
        """
        origin: bytes | None = None
        for name, value in head.headers:
            if name == b"origin":
                if origin is not None:  # row 10, under `*` too: no browser sends two
                    return self._stage_of(head).multiple
                origin = value
        if head.method == "OPTIONS" or head.kind != "http":
            return self._decide_special(head, origin)
        stage = self._plain
        if origin is None:  # rows 1 to 3
            return stage.absent
        return stage.known.get(origin) or stage.judge(origin)  # rows 6 to 10

    def _decide_special(self, head: RequestHead, origin: bytes | None) -> CorsDecision:
        """Decide for OPTIONS and for handshakes."""
        stage = self._stage_of(head)
        if origin is None:  # rows 4, 25
            return stage.absent
        decision = stage.known.get(origin) or stage.judge(origin)
        if decision.kind == "preflight" and decision.allowed:
            return self._answer_preflight(head.headers, decision)
        return decision  # rows 5, 11, 25

    def _stage_of(self, head: RequestHead) -> _Stage:
        if head.kind == "websocket":
            return self._websocket
        if head.method != "OPTIONS":
            return self._plain
        # Rows 4 and 5, #cors-preflight-request: without the method it is an ordinary request.
        asks = any(name == ACRM for name, _ in head.headers)
        return self._preflight if asks else self._options

    def _answer_preflight(self, headers: Headers, origin: CorsDecision) -> CorsDecision:
        """Answer a preflight from an allowed origin (rows 12 to 22)."""
        verdict = self._rules.judge(_values(headers, ACRM), _values(headers, ACRH))
        passes = verdict.reason == "preflight_ok"
        if not passes and self.config.preflight_failure == "deny":
            return self._denied[verdict.reason]
        opened = self.config.private_network and _values(headers, ACRPN) == [b"true"]  # row 22
        lines = (
            *origin.headers,
            *verdict.lists,
            *(_PRIVATE_NETWORK if opened else ()),
            *self._preflight_tail,
        )
        return CorsDecision("preflight", passes, origin.status, lines, verdict.reason)


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    # A pass for each name beats one pass that sorts them, on many lines too.
    return [value for name, value in headers if name == wanted]


def _compile(config: CorsConfig) -> CorsPolicy:
    origins = _Origins.compile(config)
    vary: HeaderLines = ((b"vary", _preflight_vary(config)),) if config.origins else ()
    max_age = _line(b"access-control-max-age", config.max_age)  # row 21
    plain = _http_stage(origins, config, "no_origin", options_vary=None)
    options = _http_stage(origins, config, "no_origin", options_vary=vary)
    return CorsPolicy(
        config,
        _plain=plain,
        _options=options,
        _preflight=_preflight_stage(origins, config, vary) if config.origins else plain,
        _websocket=_websocket_stage(origins, config),
        _rules=PreflightRules.compile(config),
        _preflight_tail=max_age + vary,
        _denied=_denials(vary),
    )


def _http_stage(
    origins: _Origins, config: CorsConfig, absent: Reason, *, options_vary: HeaderLines | None
) -> _Stage:
    """Rows 1 to 10, with the static headers of rows 23 and 24."""
    extra = _expose_line(config) + _static_lines(config)
    fixed = _fixed_lines(config, origins)
    vary = _vary_line(config, fixed) if options_vary is None else options_vary
    everyone = None if fixed is None else fixed + extra + vary
    grant = _Grant(
        rest=(_CREDENTIALS if config.credentials else ()) + extra + vary,
        timing=config.timing_allow_origin == "allowed",
        fixed=everyone,
    )
    # Rows 2 and 8, #cors-protocol-and-http-caches: Vary even where nothing is granted.
    bare = _static_lines(config) + vary if everyone is None else everyone
    return _stage(
        origins, CorsDecision("not_cors", None, None, bare, absent), "actual", grant, bare
    )


def _preflight_stage(origins: _Origins, config: CorsConfig, vary: HeaderLines) -> _Stage:
    """Rows 4 and 11, and what rows 12 to 22 begin with."""
    absent = _http_stage(origins, config, "preflight_without_origin", options_vary=vary).absent
    credentials = _CREDENTIALS if config.credentials else ()
    fixed = _fixed_origin(config, origins)
    grant = _Grant(
        rest=credentials,
        fixed=None if fixed is None else ((ACAO, fixed), *credentials),
    )
    return _stage(
        origins,
        absent,
        "preflight",
        grant,
        vary,
        status=config.preflight_status,
        refusal_status=403,
    )


def _websocket_stage(origins: _Origins, config: CorsConfig) -> _Stage:
    """Row 25, RFC 6455 10.2: the server is the only one to enforce the origin."""
    deny = config.websocket_missing_origin == "deny"
    absent = CorsDecision("websocket", not deny, 403 if deny else None, (), "websocket_no_origin")
    return _stage(origins, absent, "websocket", _Grant(fixed=()), (), refusal_status=403)


def _denials(vary: HeaderLines) -> dict[Reason, CorsDecision]:
    """Rows 14, 17, 18 and 20 where failures are denied: 400 for syntax, 403 for policy."""
    policy: tuple[Reason, ...] = (
        "method_not_allowed",
        "method_case_mismatch",
        "method_forbidden",
        "header_not_allowed",
        "authorization_not_covered_by_wildcard",
    )
    return {
        reason: CorsDecision(
            "preflight", False, 400 if reason in SYNTAX_REASONS else 403, vary, reason
        )
        for reason in (*policy, *SYNTAX_REASONS)
    }


def _fixed_origin(config: CorsConfig, origins: _Origins) -> bytes | None:
    """The origin answered to everyone: `*` (rows 1, 6) or the static one (row 3)."""
    if origins.any:
        return b"*"
    return next(iter(origins.exact)) if config.static_origin else None


def _fixed_lines(config: CorsConfig, origins: _Origins) -> HeaderLines | None:
    fixed = _fixed_origin(config, origins)
    if fixed is None:
        return None
    timing = ((TAO, fixed),) if config.timing_allow_origin == "allowed" else ()
    return ((ACAO, fixed), *(_CREDENTIALS if config.credentials else ()), *timing)


def _vary_line(config: CorsConfig, fixed: HeaderLines | None) -> HeaderLines:
    """Only an answer that depends on the origin varies by it (#cors-protocol-and-http-caches)."""
    return ((b"vary", b"Origin"),) if fixed is None and config.origins else ()


def _preflight_vary(config: CorsConfig) -> bytes:
    names = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    return names + b", Access-Control-Request-Private-Network" * config.private_network


def _static_lines(config: CorsConfig) -> HeaderLines:
    """Rows 23 and 24: what every response but a preflight's carries."""
    timing = config.timing_allow_origin if config.timing_allow_origin == "*" else None
    return _line(TAO, timing) + _line(b"cross-origin-resource-policy", config.resource_policy)


def _expose_line(config: CorsConfig) -> HeaderLines:
    """Row 7: the safelisted are readable anyway; `*` covers the rest."""
    names = {name.lower().encode() for name in config.expose} - SAFELISTED_RESPONSE_HEADERS
    value = b"*" if b"*" in names else b",".join(sorted(names))
    return ((b"access-control-expose-headers", value),) if value else ()


def _line(name: bytes, value: object) -> HeaderLines:
    return () if value is None else ((name, str(value).encode()),)
