"""The public surface is a test: a name that comes or goes is seen in a review of this file.

Public are the names without an underscore that a module declares: its ``__all__`` where it has one,
else its own functions, classes and constants. Modules of packages below are the package's business.
"""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def public_names(path: Path) -> set[str]:
    """The names that the module at *path* offers, read without importing it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    declared = {name: node for node in tree.body for name in names_of(node)}
    if "__all__" in declared:
        assignment = declared["__all__"]
        assert isinstance(assignment, ast.Assign)
        return set(ast.literal_eval(assignment.value))
    return {name for name in declared if not name.startswith("_")}


def names_of(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def modules_of(folder: str) -> dict[str, Path]:
    """The modules and packages that stand in *folder*, by their dotted name."""
    prefix = ".".join(Path(folder).parts[1:])
    modules = {
        f"{prefix}.{path.stem}": path
        for path in (ROOT / folder).glob("*.py")
        if path.name != "__init__.py"
    }
    packages = {
        f"{prefix}.{path.parent.name}": path for path in (ROOT / folder).glob("*/__init__.py")
    }
    return modules | packages


MODULES = (
    modules_of("core/portico/core")
    | modules_of("adapters/portico/adapters")
    | modules_of("adapters/portico/testing")
)

SURFACE: dict[str, set[str]] = {
    "portico.core.encoding": {
        "Coding",
        "is_compressible",
        "negotiate",
        "parse_accept_encoding",
    },
    "portico.core.secure_headers": {"SecureHeaders"},
    "portico.adapters.codings": {"LARGE_PIECE", "OFFERED", "Encoder", "encoder"},
    "portico.core.access": {
        "AccessRecord",
        "MAX_LINE",
        "Outcome",
        "SHOWN_PARAMETERS",
        "format_timestamp",
    },
    "portico.core.auth": {
        "REFUSALS",
        "AUTH_HEADERS",
        "AuthPolicy",
        "digest_secret",
    },
    "portico.core.conditional": {"Conditional", "is_matching"},
    "portico.core.context": {
        "CONTEXT_HEADERS",
        "CONTEXT_KEYS",
        "LogContext",
        "NO_CONTEXT",
        "read_context",
    },
    "portico.core.cors": {
        "ClientRequest",
        "CorsConfig",
        "CorsConfigError",
        "CorsConfigErrors",
        "CorsDecision",
        "CorsPolicy",
        "Decider",
        "Explanation",
        "HeaderLines",
        "Kind",
        "Reason",
        "Remedy",
        "SettingFact",
        "Step",
        "Verdict",
        "actual_request",
        "explain",
        "judge_actual",
        "judge_method",
        "judge_preflight",
        "merge",
        "preflight_request",
        "render_json",
        "render_text",
    },
    "portico.core.engines": {
        "ENGINES",
        "ENGINE_TABLE",
        "EngineName",
        "EngineRow",
        "Gap",
        "GapCode",
        "HOST",
        "RUNTIMES",
        "find_gap",
        "maps_to",
    },
    "portico.core.events": {
        "ABORT",
        "Abort",
        "Ask",
        "Headers",
        "PROCEED",
        "Proceed",
        "RequestHead",
        "Respond",
        "ResponseHead",
    },
    "portico.core.exchange": {
        "Exchange",
    },
    "portico.core.faults": {"EXPOSURES", "Exposure"},
    "portico.core.failures": {"FAILURE_REFUSALS", "FailureLimit"},
    "portico.core.forwarded": {
        "FORWARDED_HEADERS",
        "Forwarded",
        "Hop",
        "parse_forwarded",
        "parse_node",
    },
    "portico.core.hosts": {"Hosts", "Https", "parse_host"},
    "portico.core.target": {"Target", "find_ambiguity", "split_absolute"},
    "portico.core.health": {
        "Event",
        "Health",
        "Phase",
        "Source",
        "SourceState",
        "TRANSITIONS",
    },
    "portico.core.launch": {
        "LOCAL_CERTIFICATE",
        "LOCAL_KEY",
        "EngineParameters",
        "Json",
        "LaunchPlan",
        "Parameter",
        "TlsPlan",
        "Unsupported",
        "alpn_protocols",
        "head_room",
        "list_unsupported",
        "reveal",
        "whole_seconds",
    },
    "portico.core.limits": {
        "Concurrency",
        "Limits",
        "TIMED_OUT",
        "is_endless",
        "other_bytes",
        "target_bytes",
    },
    "portico.core.origin": {
        "MAX_BYTES",
        "NormalisedOrigin",
        "OriginError",
        "OriginPattern",
        "is_loopback_origin",
        "is_serialised",
        "normalise",
        "parse_pattern",
    },
    "portico.core.pipeline": {
        "BodyStage",
        "Declared",
        "Pipeline",
        "Question",
        "ResponseStage",
        "Stage",
        "Verdict",
    },
    "portico.core.policy": {
        "RESPONSE_STAGES",
        "STAGES",
        "Policy",
        "PolicyError",
        "PolicyErrors",
    },
    "portico.core.problem": {
        "FAILURE",
        "Problem",
        "Refusal",
        "TITLES",
        "UNSENDABLE",
    },
    "portico.core.ratelimit": {
        "FRESH",
        "Rate",
        "RateDecision",
        "RateState",
        "decide",
        "key_of",
        "rate_fields",
        "refuse",
    },
    "portico.core.readiness": {
        "sources",
        "used_share",
    },
    "portico.core.routes": {
        "ADMIN",
        "Route",
        "Routes",
    },
    "portico.core.settings": {
        "DatabaseTarget",
        "Finding",
        "GROUPS",
        "PROFILES",
        "Place",
        "Resolution",
        "Secret",
        "Service",
        "Settings",
        "Sources",
        "Spec",
        "TABLE",
        "TraceEntry",
        "build",
        "check_policy",
        "cors_config",
        "database_target",
        "named_config",
        "resolve",
        "setting",
        "wanted_files",
    },
    "portico.core.sse": {
        "Backlog",
        "Beat",
        "BehindError",
        "DONE",
        "Event",
        "Keepalive",
        "format_comment",
        "format_event",
        "parse_sequence",
    },
    "portico.core.stages": {
        "Authentication",
        "Context",
        "Cors",
        "Syntax",
        "Tracing",
    },
    "portico.core.preconditions": {"Validators", "allows_ranges", "evaluate"},
    "portico.core.http_dates": {"format_date", "parse_date"},
    "portico.core.media_types": {"MEDIA_TYPES", "UNKNOWN", "media_type"},
    "portico.core.ranges": {"MOST_RANGES", "Span", "parse_ranges"},
    "portico.core.static": {
        "File",
        "FilePath",
        "INDEX",
        "METHOD_NOT_ALLOWED",
        "NOT_FOUND",
        "SIBLINGS",
        "StaticAnswer",
        "caching",
        "decide",
        "is_navigation",
        "join_fields",
        "parse_path",
        "redirect",
        "wants_sibling",
    },
    "portico.core.syntax": {
        "Columns",
        "NO_COLUMNS",
        "are_fields_sound",
        "find_fault",
        "has_control",
        "has_host",
        "is_field_value",
        "is_method",
        "is_version",
        "split",
    },
    "portico.core.throttle": {
        "STORE_FAILED",
        "Charge",
        "Charges",
        "Decisions",
        "RateLimit",
        "StoreFailed",
        "StorePolicy",
    },
    "portico.core.tracing": {
        "ENTROPY_BYTES",
        "NO_TRACE",
        "RemoteSpan",
        "TRACING_HEADERS",
        "Trace",
        "TrustedPeers",
        "parse_traceparent",
        "parse_tracestate",
        "read_request_id",
        "start_trace",
    },
    "portico.core.transitions": {
        "IllegalStepError",
        "State",
        "Step",
        "TRANSITIONS",
    },
    "portico.core.workers": {
        "AIMS",
        "Bound",
        "CgroupPaths",
        "DATABASE_SHARE",
        "Figures",
        "GROWTH",
        "MIB",
        "MemoryBound",
        "RESERVE_BYTES",
        "UNLIMITED_V1",
        "WorkerPlan",
        "Workload",
        "parse_cfs",
        "parse_cgroup",
        "parse_cpu_max",
        "parse_meminfo",
        "parse_memory_max",
        "parse_page_cache",
        "plan_workers",
        "smallest",
        "tightest",
    },
    "portico.adapters.asgi": {
        "InvalidAnswerError",
        "NoAnswerError",
        "PolicyMiddleware",
        "current_exchange",
    },
    "portico.adapters.asgi_call": {
        "BODY_BROKEN",
        "Call",
        "InvalidAnswerError",
        "Message",
        "NO_ANSWER",
        "NoAnswerError",
        "Receive",
        "Send",
        "current_exchange",
    },
    "portico.adapters.django": {"protect_asgi", "protect_wsgi", "report_route"},
    "portico.adapters.environ": {"Environ", "read_environ", "write_environ"},
    "portico.adapters.fastapi": {"protect"},
    "portico.adapters.flask": {"protect"},
    "portico.adapters.quart": {"protect"},
    "portico.adapters.rate_memory": {"RateMemory"},
    "portico.adapters.rsgi": {"RsgiPolicy", "read_scope"},
    "portico.adapters.rsgi_call": {
        "BodyRefusedError",
        "HttpCall",
        "RsgiCall",
        "WebSocketCall",
    },
    "portico.adapters.files": {
        "DirectoryLostError",
        "OpenFile",
        "ShrunkError",
        "describe",
        "open_file",
        "open_folder",
    },
    "portico.adapters.static": {"PIECE_BYTES", "StaticFiles"},
    "portico.adapters.starlette": {"RouteReporter", "protect"},
    "portico.adapters.wsgi": {"ENVIRON_KEY", "WsgiPolicy"},
    "portico.adapters.wsgi_body": {"CountedBody", "Counter"},
    "portico.adapters.wsgi_call": {"BodyRefusedError", "WsgiAnswer", "WsgiCall"},
    "portico.adapters.draining": {
        "DRAIN",
        "Drain",
    },
    "portico.adapters.engine": {
        "ASGIApp",
        "AppFactory",
        "EXIT_CUT",
        "EXIT_DONE",
        "EXIT_START",
        "Message",
        "Receive",
        "Scope",
        "Send",
        "TellSupervisor",
        "WorkerFactory",
        "asgi_app",
        "call_when_ready",
        "end_with_parent",
        "logger",
        "keep_configuration",
        "with_lifespan",
        "with_root_path",
    },
    "portico.adapters.granian": {
        "FIXED",
        "LEAST_BACKLOG",
        "MIB",
        "parameters",
        "serve",
    },
    "portico.adapters.granian_worker": {
        "SharedSocketServer",
        "TYPES",
        "run_workers",
        "spawn_worker",
        "typed",
    },
    "portico.adapters.hypercorn": {
        "FIXED",
        "parameters",
    },
    "portico.adapters.scope": {
        "DISCONNECT_EXTENSION",
        "Scope",
        "read_head",
        "read_path",
        "write_scope",
    },
    "portico.adapters.sockets": {
        "BindError",
        "FIRST_ACTIVATED",
        "REASONS",
        "STREAMS",
        "UDS_MODE",
        "activated",
        "inherited",
        "listening",
        "listening_on_all",
        "real_port",
        "url_of",
    },
    "portico.adapters.tls": {
        "ENCRYPTED_PKCS8",
        "TlsError",
        "check_tls",
    },
    "portico.adapters.trio_asyncio": {
        "on_trio",
        "open_loop",
    },
    "portico.testing.checking": {
        "AdapterError",
        "Client",
        "Gap",
        "MakeClient",
        "check_adapter",
        "find_gaps",
    },
    "portico.testing.comparison": {
        "Difference",
        "compare",
    },
    "portico.testing.reference": {
        "perform",
    },
    "portico.testing.requests": {
        "Answer",
        "Application",
        "Find",
        "Request",
        "application_of",
        "request_of",
    },
    "portico.testing.vectors": {
        "Vector",
        "encode",
        "find_of",
        "head_of",
        "policy_of",
        "read_vectors",
        "settings_of",
    },
    "portico.adapters.uvicorn": {
        "FIXED",
        "PROTOCOL_TLS_SERVER",
        "parameters",
        "serve",
    },
    "portico.adapters.uvicorn_worker": {
        "FORCED_END_S",
        "OneServer",
        "SIGNALS",
        "Workers",
        "logger",
        "make_config",
        "run_many",
        "run_one",
    },
}


def test_every_module_is_listed() -> None:
    assert sorted(MODULES) == sorted(SURFACE)


@pytest.mark.parametrize("module", sorted(SURFACE))
def test_the_surface_is_as_listed(module: str) -> None:
    assert public_names(MODULES[module]) == SURFACE[module]


@pytest.mark.parametrize("module", [name for name in sorted(SURFACE) if ".core" in name])
def test_every_listed_name_is_there(module: str) -> None:
    assert [name for name in SURFACE[module] if not hasattr(import_module(module), name)] == []


@pytest.mark.parametrize("portion", ["core", "adapters", "server"])
def test_a_portion_itself_offers_nothing(portion: str) -> None:
    """Importing one module must not import the others, least of all optional packages."""
    init = ROOT / portion / "portico" / portion / "__init__.py"
    assert not any(
        isinstance(node, ast.Import | ast.ImportFrom)
        for node in ast.walk(ast.parse(init.read_text(encoding="utf-8")))
    )
