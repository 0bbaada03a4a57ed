"""The policy: everything that is decided about requests, compiled once from the settings.

Source: design page "Architecture", The core's two objects.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from portico.core.auth import AuthPolicy
from portico.core.conditional import Conditional
from portico.core.cors import CorsConfigErrors, CorsPolicy
from portico.core.encoding import Coding
from portico.core.exchange import Exchange
from portico.core.failures import FailureLimit
from portico.core.forwarded import Forwarded
from portico.core.hosts import Hosts, Https
from portico.core.limits import Concurrency, Limits
from portico.core.pipeline import Declared, Pipeline, ResponseStage, Stage
from portico.core.ratelimit import Rate
from portico.core.routes import Route, Routes
from portico.core.secure_headers import SecureHeaders
from portico.core.settings import Settings, cors_config
from portico.core.settings.kinds import RefusalError
from portico.core.stages import Authentication, Context, Cors, Syntax, Tracing
from portico.core.syntax import is_field_value
from portico.core.target import Target
from portico.core.throttle import RateLimit, StorePolicy
from portico.core.tracing import TrustedPeers

__all__ = ["RESPONSE_STAGES", "STAGES", "Policy", "PolicyError", "PolicyErrors"]

PublicSuffixTest = Callable[[str], bool]

STAGES: Final[tuple[type[Declared], ...]] = (
    Tracing,
    Context,
    Syntax,
    Target,
    Limits,
    Forwarded,
    Hosts,
    Https,
    Cors,
    Concurrency,
    Authentication,
    RateLimit,
)
"""Every stage that `Policy.compile` can compose, in the order of the pipeline."""

RESPONSE_STAGES: Final[tuple[type[Declared], ...]] = (Conditional, SecureHeaders, Coding)
"""Every stage that changes an application's answer, in their order."""

_CORS_SETTINGS: Final = {"credentials": "allow_credentials"}
"""Fields of `CorsConfig` whose setting has another name."""


@dataclass(frozen=True, slots=True)
class PolicyError:
    """One thing that makes a policy impossible.

    Attributes:
        code: Stable name of the mistake.
        path: The setting that holds it, such as ``cors.origins``.
        value: The item or value.
        message: What is wrong and what it must be.
        suggestion: What was probably meant, or None.
    """

    code: str
    path: str
    value: object
    message: str
    suggestion: str | None = None


class PolicyErrors(ValueError):  # noqa: N818 -- it carries several
    """All that is wrong with the settings as a policy.

    Attributes:
        errors: In the order of the stages, then of the settings and their items.
    """

    def __init__(self, errors: tuple[PolicyError, ...]) -> None:
        super().__init__("; ".join(f"{e.path} {e.value!r}: {e.message}" for e in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Policy:
    """An immutable policy, shared by all requests.

    Attributes:
        pipeline: The stages that each exchange passes.
        request_timeout_s: Time in which the shell must have an answer, or None.
        codings: Content codings that it may choose.
    """

    pipeline: Pipeline
    request_timeout_s: float | None = None
    codings: tuple[str, ...] = ()

    @classmethod
    def compile(
        cls,
        settings: Settings,
        *,
        routes: Iterable[Route] = (),
        is_public_suffix: PublicSuffixTest | None = None,
        codings: tuple[str, ...] = (),
        shared_store: bool = False,
        workers: int = 1,
    ) -> "Policy":
        """Compile the settings.

        Args:
            settings: As resolved.
            routes: The application's routes with flags; any other path needs authentication
                where that is required.
            is_public_suffix: Whether a domain such as ``github.io`` is a public suffix; without it
                origin patterns are not checked against them.
            codings: Content codings that the shell can make, the best first.
            shared_store: Whether the shell can ask the store of ``ratelimit.store``; if not, every
                worker counts by itself.
            workers: Processes that serve by these settings: a limit that is counted in each of
                them, because the store that they share fails, is divided among them.

        Raises:
            PolicyErrors: With every error at once.
        """
        errors: list[PolicyError] = []
        cors = _compile_cors(settings, is_public_suffix, errors)
        peers = _compile_peers(settings, errors)
        declared = Routes.compile(routes, root_path=settings.server.root_path)
        if not is_field_value(settings.headers.csp):
            message = "must be one line of printable ASCII"
            csp = settings.headers.csp
            errors.append(PolicyError("bad-value", "headers.csp", csp, message))
        rate = _compile_rate("ratelimit.default", settings.ratelimit.default, errors)
        failures = _compile_rate(
            "ratelimit.auth_failures", settings.ratelimit.auth_failures, errors
        )
        if errors:
            raise PolicyErrors(tuple(errors))
        server = settings.server
        store = _store(settings, shared_store, workers)
        limits = Limits(server.max_target, server.max_head, server.max_body)
        stages: tuple[Stage, ...] = (
            Tracing(peers),
            Context(),
            Syntax(),
            Target(),
            limits,
            Forwarded(peers, settings.proxy.hops),
            Hosts.compile(settings.hosts.allowed),
            *((Https(declared),) if server.force_https else ()),
            Cors(),
            *_concurrency(server.max_concurrency, declared),
            Authentication(
                AuthPolicy.compile(settings, declared), _failure_limit(settings, failures, store)
            ),
            *(() if rate is None else (RateLimit(rate, store, declared),)),
        )
        codings = codings if settings.compression.enabled else ()
        conditional = Conditional(declared) if declared.conditional else None
        secure_headers = SecureHeaders.compile(settings)
        response_stages: tuple[ResponseStage, ...] = (
            *((conditional,) if conditional else ()),
            secure_headers,
            *_coding(settings, codings, declared),
        )
        pipeline = Pipeline(cors, stages, secure_headers, (limits,), response_stages, conditional)
        return cls(pipeline, server.request_timeout, codings)

    def exchange(
        self, *, peer: str | None, now: float, wall: float, entropy: bytes, in_flight: int = 0
    ) -> Exchange:
        """Begin the exchange of one request.

        Args:
            peer: The transport's client address; None on a Unix socket.
            now: Monotonic seconds.
            wall: Unix time, in seconds.
            entropy: At least 24 random bytes, from which the request and span ids are made.
            in_flight: Requests that this worker has already, for ``server.max_concurrency``.

        Raises:
            ValueError: There are fewer bytes.
        """
        return Exchange(self.pipeline, peer, now, wall, entropy, in_flight)


def _coding(
    settings: Settings, codings: tuple[str, ...], routes: Routes
) -> tuple[ResponseStage, ...]:
    """Give the stage that chooses the coding, where there is any to choose."""
    return (Coding(codings, settings.compression.min_size, routes),) if codings else ()


def _store(settings: Settings, available: bool, workers: int) -> StorePolicy:
    limits = settings.ratelimit
    return StorePolicy(available and limits.store == "redis", limits.on_store_failure, workers)


def _failure_limit(
    settings: Settings, rate: Rate | None, store: StorePolicy
) -> FailureLimit | None:
    """Limit failures where there are secrets; elsewhere no credentials can fail."""
    secrets = (settings.auth.password, settings.auth.api_keys_file)
    return None if rate is None or secrets == (None, None) else FailureLimit.compile(rate, store)


def _compile_rate(path: str, text: str | None, errors: list[PolicyError]) -> Rate | None:
    try:
        return None if text is None else Rate.parse(text)
    except RefusalError as refusal:
        errors.append(PolicyError(refusal.code, path, text, refusal.message))
        return None


def _concurrency(most: int | None, routes: Routes) -> tuple[Stage, ...]:
    """Give the stage that bounds requests at once: behind CORS, for preflights need no room."""
    return () if most is None else (Concurrency(most, routes),)


def _compile_cors(
    settings: Settings, is_public_suffix: PublicSuffixTest | None, errors: list[PolicyError]
) -> CorsPolicy:
    """Compile CORS as a server does: http origins are its operator's choice, and warned of."""
    config = cors_config(settings)
    if config is None:
        return CorsPolicy.disabled()
    try:
        return CorsPolicy.compile(
            replace(config, dangerously_allow_insecure_origins=True), is_public_suffix
        )
    except CorsConfigErrors as wrong:
        errors.extend(_cors_errors(settings, wrong))
        return CorsPolicy.disabled()


def _cors_errors(settings: Settings, wrong: CorsConfigErrors) -> Iterator[PolicyError]:
    for error in wrong.errors:
        field = _CORS_SETTINGS.get(error.field, error.field)
        if field == "origins" and error.value not in settings.cors.origins:
            field = "extra_origins"
        path = f"cors.{field}"
        yield PolicyError(error.code, path, error.value, error.message, error.suggestion)


def _compile_peers(settings: Settings, errors: list[PolicyError]) -> TrustedPeers:
    for peer in settings.proxy.trusted:
        try:
            TrustedPeers.compile((peer,))
        except ValueError:
            message = "must be an address, a network such as 10.0.0.0/8, or unix"
            errors.append(PolicyError("bad-value", "proxy.trusted", peer, message))
    return TrustedPeers() if errors else TrustedPeers.compile(settings.proxy.trusted)
