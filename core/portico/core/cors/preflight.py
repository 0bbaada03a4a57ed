"""What a preflight asks for, judged against the configured methods and headers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from portico.core.cors.config import CorsConfig
from portico.core.cors.decision import HeaderLines, Reason
from portico.core.cors.fetch import FORBIDDEN_METHODS, SAFELISTED_METHODS, TOKEN, normalise_method

__all__ = ["SYNTAX_REASONS", "PreflightRules", "PreflightVerdict"]

MAX_ACRH_BYTES = 4096
MAX_ACRH_NAMES = 128
MAX_ACRH_EMPTY_ITEMS = 16

SYNTAX_REASONS: Final[frozenset[Reason]] = frozenset(
    {"acrm_multiple", "acrm_malformed", "acrh_malformed", "acrh_too_large"}
)
"""The request itself is broken: 400 where failures are denied (#http-new-header-syntax)."""

_OWS = b" \t"
_NAME = TOKEN.pattern + rb"[ \t]*"
_NAME_LIST = re.compile(rb"[ \t]*+(?:%b)?+(?:,[ \t]*+(?:%b)?+)*+" % (_NAME, _NAME))
_NO_NAMES: list[bytes] = []


class PreflightVerdict(NamedTuple):
    """Whether a preflight passes, and the lists that answer it.

    Attributes:
        reason: ``preflight_ok`` or what fails.
        lists: Access-Control-Allow-Methods and -Headers, where there are any.
    """

    reason: Reason
    lists: HeaderLines


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PreflightRules:
    """The configured methods and request headers, compiled.

    Attributes:
        any_method: Methods hold ``*``.
        any_header: Request headers hold ``*``.
        credentials: ``*`` is then no wildcard to browsers, so that validated values are echoed.
        methods: Configured methods as browsers send them, and the safelisted ones.
        folded_methods: The same in capitals, to tell a slip of case.
        headers: Configured names, lower-case.
        method_line: The static Access-Control-Allow-Methods, if any.
        header_line: The static Access-Control-Allow-Headers, if any.
    """

    any_method: bool
    any_header: bool
    credentials: bool
    methods: frozenset[bytes]
    folded_methods: frozenset[bytes]
    headers: frozenset[bytes]
    method_line: HeaderLines
    header_line: HeaderLines

    @classmethod
    def compile(cls, config: CorsConfig) -> "PreflightRules":
        """Compile a configuration that has been judged good."""
        listed = {normalise_method(method.encode()) for method in config.methods}
        headers = frozenset(name.lower().encode() for name in config.request_headers)
        methods = frozenset(listed | SAFELISTED_METHODS)
        return cls(
            any_method=b"*" in listed,
            any_header=b"*" in headers,
            credentials=config.credentials,
            methods=methods,
            folded_methods=frozenset(method.upper() for method in methods),
            headers=headers,
            method_line=_methods_line(_static_methods(methods, credentials=config.credentials)),
            header_line=_headers_line(_static_headers(headers, credentials=config.credentials)),
        )

    def judge(self, acrm: list[bytes], acrh: list[bytes]) -> PreflightVerdict:
        """Judge what a preflight asks for.

        Args:
            acrm: Values of Access-Control-Request-Method, one a line; at least one line.
            acrh: Values of Access-Control-Request-Headers, one a line.

        Returns:
            The verdict. Syntax goes before policy, the method before the headers, as in browsers.
        """
        method = acrm[0].strip(_OWS)
        names, broken = _parse_names(acrh)
        broken = _judge_syntax(acrm, method) or broken
        if broken is not None:  # row 20: nothing of a broken request is echoed
            return PreflightVerdict(broken, self.method_line + self.header_line)
        reason = self._judge_method(method) or self._judge_names(names) or "preflight_ok"
        return PreflightVerdict(reason, self._lists(method, names))

    def _judge_method(self, method: bytes) -> Reason | None:
        upper = method.upper()
        if upper in FORBIDDEN_METHODS:  # row 14, #forbidden-method, under `*` too
            return "method_forbidden"
        if self.any_method or method in self.methods:  # rows 12, 13, 15
            return None
        # Row 14, #concept-method-normalize: a browser upper-cases no other method than the six.
        return "method_case_mismatch" if upper in self.folded_methods else "method_not_allowed"

    def _judge_names(self, names: list[bytes]) -> Reason | None:
        if not self.any_header:  # rows 16, 17, #cors-preflight-fetch-0 step 7.7
            return None if self.headers.issuperset(names) else "header_not_allowed"
        # Row 18, #cors-non-wildcard-request-header-name.
        uncovered = b"authorization" in names and b"authorization" not in self.headers
        if uncovered and not self.credentials:
            return "authorization_not_covered_by_wildcard"
        return None

    def _lists(self, method: bytes, names: list[bytes]) -> HeaderLines:
        """Static lists; with credentials `*` is spelt out by the values asked for."""
        if not self.credentials or method.upper() in FORBIDDEN_METHODS:
            return self.method_line + self.header_line
        methods, headers = self.method_line, self.header_line
        if self.any_method:  # row 15; row 12: a safelisted method needs no line
            methods = _methods_line(() if method in SAFELISTED_METHODS else (method,))
        if self.any_header:  # row 19
            headers = _headers_line(dict.fromkeys(names))
        return methods + headers


def _judge_syntax(acrm: list[bytes], method: bytes) -> Reason | None:
    """Access-Control-Request-Method is one token (Fetch #http-new-header-syntax)."""
    if len(acrm) > 1:
        return "acrm_multiple"
    return None if TOKEN.fullmatch(method) else "acrm_malformed"


def _parse_names(lines: list[bytes]) -> tuple[list[bytes], Reason | None]:
    """Read a list of field names (RFC 9110 5.3, 5.6.1.2), within bounds that browsers never reach.

    The bounds come first, and cost no more than looking: length, then number of items.
    """
    if not lines:
        return _NO_NAMES, None
    if sum(map(len, lines)) + len(lines) - 1 > MAX_ACRH_BYTES:
        return _NO_NAMES, "acrh_too_large"
    value = b",".join(lines)
    items = value.translate(None, _OWS).split(b",")
    empty = items.count(b"")
    if len(items) - empty > MAX_ACRH_NAMES:
        return _NO_NAMES, "acrh_too_large"
    if empty > MAX_ACRH_EMPTY_ITEMS:
        return _NO_NAMES, "acrh_malformed"
    if _NAME_LIST.fullmatch(value) is None:
        return _NO_NAMES, "acrh_malformed"
    return list(filter(None, value.lower().translate(None, _OWS).split(b","))), None


def _static_methods(methods: frozenset[bytes], *, credentials: bool) -> Iterable[bytes]:
    """The configured non-safelisted methods plus the safelisted, or nothing if there are none."""
    if b"*" in methods:
        return () if credentials else (b"*",)
    return () if methods == SAFELISTED_METHODS else sorted(methods)


def _static_headers(headers: frozenset[bytes], *, credentials: bool) -> Iterable[bytes]:
    """The configured names; `*` covers all of them but Authorization (row 18)."""
    if b"*" not in headers:
        return sorted(headers)
    return () if credentials else sorted(headers & {b"*", b"authorization"})


def _methods_line(methods: Iterable[bytes]) -> HeaderLines:
    value = b",".join(methods)
    return ((b"access-control-allow-methods", value),) if value else ()


def _headers_line(names: Iterable[bytes]) -> HeaderLines:
    value = b",".join(names)
    return ((b"access-control-allow-headers", value),) if value else ()
