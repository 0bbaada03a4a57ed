"""What holds between settings."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, cast

from portico.core.engines import ENGINE_TABLE, EngineName, Gap, find_gap
from portico.core.origin import is_loopback_origin
from portico.core.settings.addresses import is_ip, is_loopback_host
from portico.core.settings.candidates import Layer, Reading
from portico.core.settings.profiles import PUBLIC_PROFILES
from portico.core.settings.resolution import Finding, Place
from portico.core.settings.table import TABLE

DATABASE_PARTS: Final = (
    "database.host",
    "database.port",
    "database.user",
    "database.password",
    "database.name",
)
_OPTIONAL_PARTS: Final = ("database.port",)
TLS_PAIR: Final = ("server.tls_cert", "server.tls_key")
_NEED_CERTIFICATE: Final = ("server.tls_key_password", "server.tls_ca")
_ORIGIN_LISTS: Final = ("cors.origins", "cors.extra_origins")


class State(NamedTuple):
    """The outcome of the layers.

    Attributes:
        values: Typed values by path; refused ones are missing.
        winners: The reading that decides, by path; missing where the default does.
        broken: Paths whose value is not known for certain.
        profile: The profile in use.
        loose_ports: Readings of a port that no host goes with.
    """

    values: Mapping[str, object]
    winners: Mapping[str, Reading]
    broken: frozenset[str]
    profile: str | None
    loose_ports: tuple[Reading, ...] = ()

    def is_sound(self, *paths: str) -> bool:
        """Say whether the value of every path is known."""
        return self.broken.isdisjoint(paths)

    def is_typed(self, path: str) -> bool:
        """Say whether a person set *path*, rather than the defaults or a profile."""
        winner = self.winners.get(path)
        return winner is not None and winner.candidate.layer > Layer.PROFILE

    def are_set(self, *paths: str) -> list[str]:
        """Return those of *paths* that have a value."""
        return [path for path in paths if self.values.get(path) is not None]

    def place(self, path: str, role: str) -> Place:
        """Return where the value of *path* stands."""
        winner = self.winners.get(path)
        if winner is not None:
            return winner.place(role)
        return Place(role, "default", path, TABLE[path].format(TABLE[path].default))

    def finding(self, code: str, path: str, message: str, fix: str = "", *others: str) -> Finding:
        """Make a finding at *path* that meets the values of *others*."""
        at = self.place(path, "at")
        related = (at, *(self.place(other, "with") for other in others))
        return Finding(code, path, at.origin, message, fix, related)


def join(names: list[str]) -> str:
    """Write ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def check_database_forms(state: State) -> Iterator[Finding]:
    """A URI and parts exclude each other, whichever layers they come from."""
    uri, parts = "database.uri", state.are_set(*DATABASE_PARTS)
    if state.are_set(uri) and parts and state.is_sound(uri, *DATABASE_PARTS):
        verb = "are both set" if len(parts) == 1 else "are all set"
        message = f"{join([uri, *parts])} {verb}"
        fix = "keep the URI, or keep the parts"
        yield state.finding("conflicting-settings", uri, message, fix, *parts)


def check_certificates(state: State) -> Iterator[Finding]:
    """A generated certificate and a given one exclude each other."""
    path, given = "server.local_https", state.are_set(*TLS_PAIR)
    if state.values.get(path) and given and state.is_sound(path, *TLS_PAIR):
        message = f"{path} generates a certificate, but {join(given)} {_is_set(given)}"
        fix = f"keep {path}, or keep the certificate"
        yield state.finding("conflicting-settings", path, message, fix, *given)


def _is_set(paths: list[str]) -> str:
    return "is set" if len(paths) == 1 else "are set"


def check_database_parts(state: State) -> Iterator[Finding]:
    """Parts come complete; the port alone has a default."""
    parts = state.are_set(*DATABASE_PARTS)
    if not parts or state.are_set("database.uri"):
        return
    missing = [path for path in DATABASE_PARTS if path not in (*parts, *_OPTIONAL_PARTS)]
    if missing and state.is_sound("database.uri", *DATABASE_PARTS):
        yield _incomplete(state, parts, missing)


def check_tls_pair(state: State) -> Iterator[Finding]:
    """Certificate and key come together: some engines serve plain HTTP with only one."""
    given = state.are_set(*TLS_PAIR)
    if len(given) == 1 and state.is_sound(*TLS_PAIR):
        yield _incomplete(state, given, [path for path in TLS_PAIR if path not in given])


def _incomplete(state: State, given: list[str], missing: list[str]) -> Finding:
    message = f"{join(given)} {_is_set(given)} without {join(missing)}"
    names = [name for path in missing for name in TABLE[path].names[:1]]
    fix = f"set {join(missing)} too ({', '.join(names)})"
    return state.finding("incomplete-group", given[0], message, fix, *given[1:])


def check_redis(state: State) -> Iterator[Finding]:
    """A store in Redis needs Redis; a port needs a host."""
    url, store = "redis.url", "ratelimit.store"
    if state.are_set(url) or not state.is_sound(url):
        return
    for reading in state.loose_ports:
        place = reading.place("at")
        message = f"{place.name} is set without a host"
        fix = "set LETTA_REDIS_HOST too, or LETTA_REDIS_URL alone"
        yield Finding("incomplete-group", url, place.origin, message, fix, (place,))
    if state.values.get(store) == "redis" and state.is_sound(store):
        yield _incomplete(state, [store], [url])


def check_password(state: State) -> Iterator[Finding]:
    """A required password must exist: the server never invents one."""
    required, holders = "auth.required", ("auth.password", "auth.api_keys_file")
    if (
        state.values.get(required)
        and not state.are_set(*holders)
        and state.is_sound(required, *holders)
    ):
        message = "is on, but there is neither auth.password nor auth.api_keys_file"
        fix = "set LETTA_SERVER_PASSWORD, LETTA_SERVER_PASSWORD_FILE or LETTA_API_KEYS_FILE"
        yield state.finding("missing-password", required, message, fix)


def check_reload(state: State) -> Iterator[Finding]:
    """Reloading runs one worker; ``auto`` then plans one."""
    reload, workers = "server.reload", "server.workers"
    count = state.values.get(workers)
    if (
        state.values.get(reload)
        and isinstance(count, int)
        and count > 1
        and state.is_sound(reload, workers)
    ):
        message = f"reload runs one worker, but {workers} is {count}"
        yield state.finding(
            "reload-with-workers", reload, message, "switch reload off, or set 1 worker", workers
        )


def check_wildcard(state: State) -> Iterator[Finding]:
    """Browsers refuse ``*`` with credentials (Fetch #cors-protocol-and-credentials)."""
    credentials = "cors.allow_credentials"
    for path in _ORIGIN_LISTS:
        origins = cast("tuple[str, ...]", state.values.get(path, ()))
        if "*" in origins and state.values.get(credentials) and state.is_sound(path, credentials):
            message = f"* is among the origins while {credentials} is true"
            fix = "list the origins, or set LETTA_CORS_CREDENTIALS=false"
            yield state.finding("wildcard-with-credentials", path, message, fix, credentials)


def check_granian_host(state: State) -> Iterator[Finding]:
    """Granian binds IP addresses; only localhost is certain to be one of them."""
    host, engine, uds = "server.host", "server.engine", "server.uds"
    name = str(state.values.get(host, ""))
    if (
        state.values.get(engine) == "granian"
        and not state.are_set(uds)
        and not (is_ip(name) or name == "localhost")
        and state.is_sound(host, engine, uds)
    ):
        message = f"granian binds IP addresses, not the name {name}"
        fix = "write the address, or use another engine"
        yield state.finding("engine-needs-ip", host, message, fix, engine)


def _gaps(state: State) -> Iterator[tuple[str, Gap]]:
    """Find what the engine does not do of what a person set."""
    if not state.is_sound("server.engine"):
        return
    engine = cast("EngineName", state.values["server.engine"])
    for path in ENGINE_TABLE:
        if state.is_typed(path) and state.is_sound(path):
            gap = find_gap(path, engine, state.values[path])
            if gap is not None:
                yield path, gap


def check_engine(state: State) -> Iterator[Finding]:
    """The engine has no such parameter."""
    for path, gap in _gaps(state):
        if gap.code == "engine-cannot":
            fix = "remove it, or use an engine that can"
            yield state.finding(gap.code, path, gap.why, fix, "server.engine")


def check_insecure_origins(state: State) -> Iterator[Finding]:
    """Plain http beyond loopback lets anyone on the way speak for that origin."""
    if state.profile not in PUBLIC_PROFILES:
        return
    for path in _ORIGIN_LISTS:
        origins = cast("tuple[str, ...]", state.values.get(path, ()))
        insecure = [
            origin
            for origin in origins
            if origin.startswith("http://") and not is_loopback_origin(origin)
        ]
        if insecure and state.is_sound(path):
            message = f"{join(insecure)}: plain http, which others on the network can forge"
            yield state.finding("insecure-origin", path, message, "use https")


def check_openness(state: State) -> Iterator[Finding]:
    """Others can reach the server and nothing asks who they are."""
    host, uds, required = "server.host", "server.uds", "auth.required"
    name = str(state.values.get(host, ""))
    if (
        not state.values.get(required)
        and not state.are_set(uds)
        and not is_loopback_host(name)
        and state.is_sound(host, uds, required)
    ):
        message = f"others can reach {name}, and auth.required is false"
        fix = "set LETTA_SERVER_SECURE=true and LETTA_SERVER_PASSWORD"
        yield state.finding("open-to-network", host, message, fix, required)


def check_effects(state: State) -> Iterator[Finding]:
    """What was set and does nothing."""
    for path, gap in _gaps(state):
        if gap.code == "no-effect":
            yield state.finding(gap.code, path, gap.why, "remove it", "server.engine")
    for path in state.are_set(*_NEED_CERTIFICATE):
        if not state.are_set(*TLS_PAIR) and state.is_sound(path, *TLS_PAIR):
            message = "there is no certificate, so that TLS is off"
            yield state.finding("no-effect", path, message, "set server.tls_cert and tls_key")


Check = Callable[[State], Iterator[Finding]]

PROBLEM_CHECKS: Final[tuple[Check, ...]] = (
    check_database_forms,
    check_certificates,
    check_database_parts,
    check_tls_pair,
    check_redis,
    check_password,
    check_reload,
    check_wildcard,
    check_granian_host,
)
WARNING_CHECKS: Final[tuple[Check, ...]] = (
    check_engine,
    check_insecure_origins,
    check_openness,
    check_effects,
)


def find_problems(state: State) -> list[Finding]:
    """Return what prevents a start."""
    return [finding for check in PROBLEM_CHECKS for finding in check(state)]


def find_warnings(state: State) -> list[Finding]:
    """Return what does not."""
    return [finding for check in WARNING_CHECKS for finding in check(state)]
