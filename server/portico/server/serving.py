"""From resolved settings to a running server, and to its exit code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

from portico.adapters.engine import ASGIApp
from portico.adapters.sockets import BindError
from portico.adapters.tls import TlsError, check_tls
from portico.core.engines import RUNTIMES, EngineName
from portico.core.launch import EngineParameters, LaunchPlan, TlsPlan
from portico.core.settings import Resolution, Settings, database_target
from portico.core.workers import WorkerPlan, plan_workers
from portico.server.commands.output import warn
from portico.server.loading import LoadError, load_application
from portico.server.machine import list_shortages, raise_descriptor_limit, read_figures
from portico.server.pending import list_pending
from portico.server.reload import is_watched, watch_and_serve
from portico.server.site import Site, SiteError
from portico.server.startup import StartReport

EXIT_USAGE: Final = 2
EXIT_SETTINGS: Final = 78


@dataclass(slots=True)
class ServerApplication:
    """Makes what is served, in the process that serves it. Pickled to spawned workers.

    Attributes:
        settings: The effective settings.
        engine: What will run the application.
        provenance: Origin of each setting, for the administration's pages.
        target: Import string of another application than the server's own.
        bridged: Whether that one knows asyncio only and is to run on Trio.
        site: Files to serve beside the server's own application.
    """

    settings: Settings
    engine: EngineName
    provenance: Mapping[str, str]
    target: str | None = None
    bridged: bool = False
    site: Site | None = None
    _drain: Callable[[], None] | None = field(default=None, init=False)

    def __call__(self) -> ASGIApp:
        """Prepare this process and make the application."""
        from portico.server import logs

        raise_descriptor_limit()
        logs.configure(self.settings.telemetry)
        return self._make_own() if self.target is None else self._make_other(self.target)

    def or_exit(self) -> ASGIApp:
        """Make the application, or end this process with one line that says why not."""
        try:
            return self()
        except LoadError as error:
            warn(f"portico: {error}")
            raise SystemExit(EXIT_USAGE) from error

    def drain(self) -> None:
        """Let readiness fail from now on, where the application is in this process."""
        if self._drain is not None:
            self._drain()

    def _make_own(self) -> ASGIApp:
        from portico.server.app import create_app
        from portico.server.state import state_of

        files = None if self.site is None else self.site.files()
        runtime = RUNTIMES[self.engine]
        app = create_app(self.settings, runtime, provenance=self.provenance, files=files)
        self._drain = state_of(app).lifecycle.drain
        return cast("ASGIApp", app)

    def _make_other(self, target: str) -> ASGIApp:
        from portico.server.app import with_policy

        app = load_application(target)
        if self.bridged:
            from portico.adapters.trio_asyncio import on_trio

            app = on_trio(app)
        return with_policy(app, self.settings)


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything decided before anything is bound.

    Attributes:
        plan: What to run.
        workers: How many, and why.
        words: The plan in the engine's words.
    """

    plan: LaunchPlan
    workers: WorkerPlan
    words: EngineParameters


def plan_launch(
    resolution: Resolution, *, engine: EngineName | None = None, asyncio_app: bool = False
) -> Launch:
    """Decide what to run from resolved settings and this machine's figures.

    Args:
        resolution: Without problems.
        engine: In place of ``server.engine``.
        asyncio_app: Whether the application knows asyncio only.
    """
    settings = settings_of(resolution)
    server = settings.server
    requested = 1 if server.reload else server.workers
    figures = replace(read_figures(), replicas=server.replicas)
    workers = plan_workers(figures, server.workload, requested)
    plan = LaunchPlan.from_settings(
        settings,
        workers=workers.count,
        engine=engine,
        asyncio_app=asyncio_app,
        chosen=chosen_paths(resolution),
    )
    plan = replace(plan, tls=plan.tls and expand(plan.tls))
    return Launch(plan, workers, _engine(plan).parameters(plan))


def expand(tls: TlsPlan) -> TlsPlan:
    """Return *tls* with a leading ``~`` of its paths as the home directory.

    Raises:
        TlsError: There is no such home.
    """
    cert, key = (str(at_home(path)) for path in (tls.cert, tls.key))
    return replace(tls, cert=cert, key=key, ca=tls.ca and str(at_home(tls.ca)))


def at_home(path: str) -> Path:
    """Return *path* with a leading ``~`` as the home directory.

    Raises:
        TlsError: There is no such home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise TlsError(
            f"the home directory in {path} is not known; write the whole path"
        ) from error


def keep_local_certificate(settings: Settings) -> None:
    """Make the certificate that ``--localhttps`` serves, unless a good one is kept.

    Raises:
        TlsError: It cannot be kept in ``storage.dir``.
    """
    if not settings.server.local_https:
        return
    from portico.server.local_certificate import local_certificate

    try:
        local_certificate(at_home(settings.storage.dir))
    except OSError as error:
        where = f"storage.dir, {settings.storage.dir}"
        raise TlsError(f"cannot keep a certificate in {where}: {error.strerror}") from error


def plan_of(resolution: Resolution, engine: EngineName | None = None) -> EngineParameters:
    """Return what ``portico plan`` prints."""
    return plan_launch(resolution, engine=engine).words


def chosen_paths(resolution: Resolution) -> frozenset[str]:
    """Return the settings that somebody set, above defaults and profiles."""
    return frozenset(
        path
        for path, origin in resolution.provenance.items()
        if origin != "default" and not origin.startswith("profile:")
    )


def settings_of(resolution: Resolution) -> Settings:
    """Return the settings of a resolution without problems.

    Raises:
        ValueError: There are problems, which the caller was to report.
    """
    if resolution.settings is None:
        raise ValueError("the settings have problems")
    return resolution.settings


def serve(
    resolution: Resolution,
    *,
    target: str | None = None,
    asyncio_app: bool = False,
    site: Site | None = None,
    read: Sequence[str] = (),
    resolve_again: Callable[[], Resolution | None] = lambda: None,
) -> int:
    """Serve until a signal.

    Args:
        resolution: Without problems; its warnings have been shown.
        target: Import string of an application to serve in place of the server's own.
        asyncio_app: Whether that one knows asyncio only; the server's own knows both.
        site: Files to serve beside the server's own application.
        read: Names of the sources that the settings came from.
        resolve_again: Reads the sources anew at SIGHUP; None if there are problems, which it has
            reported.

    Returns:
        The exit code: 0 ended by a signal, 1 ended by force, 2 cannot bind or no application,
        3 the application does not start, 78 the certificate cannot be served, or the database
        must be upgraded first.
    """
    settings = settings_of(resolution)
    if settings.server.reload and not is_watched():
        return watch_and_serve(settings)
    try:
        launch = plan_launch(resolution, asyncio_app=asyncio_app and target is not None)
    except TlsError as error:
        warn(f"portico: {error}")
        return EXIT_SETTINGS
    report = StartReport(settings, launch.plan, launch.workers, resolution.profile, tuple(read))
    try:
        keep_local_certificate(settings)
        check(launch.plan, target)
        if target is None:
            check_database(settings)
        if site is not None:
            site.check()
        pending = list_pending(launch.plan.engine, chosen_paths(resolution))
        shortages = list_shortages(launch.plan.max_connections)
        report.warn([*launch.words.warnings, *shortages, *pending])
        make = partial(application_of, target=target, site=site)
        return run(resolution, launch, make, report, resolve_again)
    except (TlsError, DatabaseLackError) as error:
        return report.fail(error, EXIT_SETTINGS)
    except (BindError, LoadError, SiteError) as error:
        return report.fail(error, EXIT_USAGE)


class DatabaseLackError(Exception):
    """The database must be upgraded first."""


def check_database(settings: Settings) -> None:
    """Look at PostgreSQL's revision; one that does not answer yet is waited for while serving.

    Raises:
        DatabaseLackError: It is not the revision that this version needs.
    """
    if database_target(settings) is None:
        return
    from portico.server.db import migration

    try:
        lack = migration.lack(settings)
    except migration.unreachable():
        warn("warning: the database does not answer yet; its revision is not checked")
        return
    if lack is not None:
        raise DatabaseLackError(lack)


def check(plan: LaunchPlan, target: str | None) -> None:
    """Try what would fail late, in a worker, and in each engine's own way.

    Raises:
        TlsError: The certificate cannot be served.
        LoadError: *target* is no application.
        ModuleNotFoundError: The engine or its loop is not installed.
    """
    wanted = [plan.engine, *(["uvloop"] if plan.uvloop and plan.engine != "hypercorn" else [])]
    for package in wanted:
        if find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    if plan.tls is not None:
        check_tls(plan.tls, plan.engine)
    # The Trio host forks its workers: what it imports before that is theirs for ever, its threads
    # too. So it is they who try the application.
    if target is not None and plan.engine != "hypercorn":
        load_application(target)


def run(
    resolution: Resolution,
    launch: Launch,
    make: Callable[[Resolution, LaunchPlan], ServerApplication],
    report: StartReport,
    resolve_again: Callable[[], Resolution | None],
) -> int:
    """Start the engine and stay until it ends."""
    from portico.server import logs

    plan = launch.plan
    # Also where the application is made elsewhere: supervisors log too.
    logs.configure(settings_of(resolution).telemetry)
    application = make(resolution, plan)
    if plan.engine != "hypercorn":
        return serve_on_asyncio(application, plan, report)
    from portico.server.host.launching import Served, serve

    def served_next() -> Served | None:
        following = resolve_again()
        if following is None:
            return None
        next_plan = plan_launch(following, asyncio_app=plan.asyncio_app).plan
        application = make(following, next_plan)
        return Served(application.or_exit, next_plan, application.drain)

    return serve(application.or_exit, plan, report.listening, application.drain, served_next)


def serve_on_asyncio(application: ServerApplication, plan: LaunchPlan, report: StartReport) -> int:
    """Run an engine with a supervisor of its own, for which the service manager is told."""
    from portico.server.host.notify import notify

    def listening(url: str) -> None:
        report.listening(url)
        notify("READY=1")

    def draining() -> None:
        notify("STOPPING=1")
        application.drain()

    code: int = _engine(plan).serve(application, plan, listening, draining)
    return code


def application_of(
    resolution: Resolution, plan: LaunchPlan, *, target: str | None, site: Site | None
) -> ServerApplication:
    """Return what makes the application of *resolution* in a worker."""
    return ServerApplication(
        settings_of(resolution),
        plan.engine,
        dict(resolution.provenance),
        target,
        bridged=plan.asyncio_app and RUNTIMES[plan.engine] == "trio",
        site=site,
    )


def _engine(plan: LaunchPlan) -> Any:
    return import_module(f"portico.adapters.{plan.engine}")
