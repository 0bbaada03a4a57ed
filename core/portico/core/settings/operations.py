"""The settings of what is observed: logs, traces, metrics, readiness."""

from typing import Literal

from portico.core.settings.addresses import ADDRESS, WEB_URL
from portico.core.settings.group import Group, group
from portico.core.settings.kinds import BOOLEAN, PATH, ROOT_PATH, TEXT, choice, count
from portico.core.settings.quantities import DURATION
from portico.core.settings.spec import setting

LogLevel = Literal["debug", "info", "warning", "error", "critical"]


@group
class TelemetrySettings(Group):
    """Logs, traces and metrics."""

    environment: str | None = setting(
        None, TEXT, "LETTA_ENVIRONMENT", doc="The deployment's name in logs and traces."
    )
    debug: bool = setting(
        False,
        BOOLEAN,
        "LETTA_DEBUG",
        live=True,
        doc="Show internals in error answers and logs.",
        recommend="In development only.",
    )
    log_level: LogLevel = setting(
        "info",
        choice("debug", "info", "warning", "error", "critical"),
        "LETTA_LOG_LEVEL",
        live=True,
        doc="The least severe level that is logged.",
    )
    log_format: Literal["console", "json"] | None = setting(
        None,
        choice("console", "json"),
        "LETTA_LOG_FORMAT",
        doc="console or json lines; unset means console on a terminal, else json.",
    )
    otlp_endpoint: str | None = setting(
        None,
        WEB_URL,
        "LETTA_OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        generic=("OTEL_EXPORTER_OTLP_ENDPOINT",),
        doc="Where traces and metrics are sent by OTLP.",
    )
    disable_tracing: bool = setting(
        False, BOOLEAN, "LETTA_DISABLE_TRACING", doc="Send no traces even with an endpoint."
    )
    sqlalchemy_tracing: bool = setting(
        False, BOOLEAN, "LETTA_SQLALCHEMY_TRACING", doc="Trace database statements."
    )
    llm_api_logging: bool = setting(
        True, BOOLEAN, "LETTA_LLM_API_LOGGING", live=True, doc="Log calls of language models."
    )
    track_last_agent_run: bool = setting(
        False, BOOLEAN, "LETTA_TRACK_LAST_AGENT_RUN", live=True, doc="Keep each agent's last run."
    )
    track_errored_messages: bool = setting(
        True, BOOLEAN, "LETTA_TRACK_ERRORED_MESSAGES", live=True, doc="Keep messages that failed."
    )
    track_stop_reason: bool = setting(
        True, BOOLEAN, "LETTA_TRACK_STOP_REASON", live=True, doc="Keep why a run stopped."
    )
    track_agent_run: bool = setting(
        True, BOOLEAN, "LETTA_TRACK_AGENT_RUN", live=True, doc="Keep agents' runs."
    )
    track_provider_trace: bool = setting(
        True, BOOLEAN, "LETTA_TRACK_PROVIDER_TRACE", live=True, doc="Keep calls of providers."
    )
    metrics_address: str | None = setting(
        None, ADDRESS, "LETTA_METRICS_ADDRESS", doc="host:port where metrics are served."
    )
    log_file: str | None = setting(
        None, PATH, "LETTA_LOG_FILE", doc="A rotating file that gets the log too."
    )
    metrics_path: str | None = setting(
        None,
        ROOT_PATH,
        "LETTA_METRICS_PATH",
        doc="A path such as /metrics on the API itself, behind authentication.",
    )


@group
class HealthSettings(Group):
    """What makes the server unready; serving.md's table of sources."""

    enforced: bool = setting(
        True,
        BOOLEAN,
        "LETTA_READINESS_ENFORCEMENT_ENABLED",
        live=True,
        doc="Answer 503 on the readiness probe when a source gates; false always answers 200.",
    )
    drain_returns_503: bool = setting(
        True,
        BOOLEAN,
        "LETTA_READINESS_DRAIN_RETURNS_503",
        live=True,
        doc="Fail readiness while draining.",
    )
    loop_lag: float = setting(
        1.0, DURATION, "LETTA_READINESS_LOOP_LAG", live=True, doc="Loop lag that gates."
    )
    in_flight: int | None = setting(
        None, count(1), "LETTA_READINESS_IN_FLIGHT", live=True, doc="Requests in flight that gate."
    )
    pool_wait: float = setting(
        1.0,
        DURATION,
        "LETTA_READINESS_POOL_WAIT",
        live=True,
        doc="Wait for a database connection that gates.",
    )
    database_gates: bool = setting(
        False, BOOLEAN, "LETTA_READINESS_DATABASE_GATES", live=True, doc="The database gates."
    )
    redis_gates: bool = setting(
        False, BOOLEAN, "LETTA_READINESS_REDIS_GATES", live=True, doc="Redis gates."
    )
