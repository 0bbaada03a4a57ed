"""Deciding among candidates, and what holds between settings."""

import pytest

from portico.core.settings import Place, Resolution, Secret, Sources, TraceEntry, resolve


def resolved(**env) -> Resolution:
    return resolve(Sources(env))


def environment(**env) -> str | None:
    settings = resolved(**env).settings
    assert settings is not None
    return settings.telemetry.environment


def codes(findings):
    return [finding.code for finding in findings]


class TestVerdicts:
    sources = Sources(
        {"LETTA_PORT": "8400"},
        ["--port", "9000"],
        (".env", "LETTA_PORT=99999\n"),
        ("conf.yaml", "server:\n  port: 8300\n"),
    )

    def test_the_trace_tells_it_all(self):
        assert resolve(self.sources).trace["server.port"] == (
            TraceEntry("flag:--port", "9000", None, "--port"),
            TraceEntry("env:LETTA_PORT", "8400", None, "LETTA_PORT"),
            TraceEntry("dotenv:.env:1", "99999", "must be a port from 0 to 65535", "LETTA_PORT"),
            TraceEntry("file:conf.yaml:2", "8300", None, "server.port"),
            TraceEntry("default", "8283", None, "server.port"),
        )

    def test_a_refused_winner_names_what_it_outranks(self):
        sources = Sources(dotenv=self.sources.dotenv, file=self.sources.file)
        (problem,) = resolve(sources).problems
        assert problem.related == (
            Place("at", "dotenv:.env:1", "LETTA_PORT", "99999"),
            Place("over", "file:conf.yaml:2", "server.port", "8300"),
        )

    def test_a_shadowed_value_names_the_winner(self):
        (warning,) = resolve(self.sources).warnings
        assert warning.code == "shadowed-bad-value"
        assert warning.related[1] == Place("under", "flag:--port", "--port", "9000")

    def test_broken_settings_have_no_value_but_a_provenance(self):
        resolution = resolved(LETTA_PORT="x")
        assert resolution.settings is None
        assert "server.port" not in resolution.values
        assert resolution.provenance["server.port"] == "env:LETTA_PORT"

    def test_three_names_that_disagree_are_one_finding(self):
        resolution = resolved(LETTA_WORKERS="1", LETTA_UVICORN_WORKERS="2", LETTA_WORKERS_FILE="/w")
        conflict = next(f for f in resolution.problems if f.code == "conflicting-names")
        assert [place.name for place in conflict.related] == [
            "LETTA_WORKERS",
            "LETTA_WORKERS_FILE",
            "LETTA_UVICORN_WORKERS",
        ]

    def test_an_unreadable_target_is_a_problem_even_when_outranked(self):
        resolution = resolve(Sources({"LETTA_PORT_FILE": "/p"}, ["--port", "1"]))
        assert codes(resolution.problems) == ["unreadable-file"]

    def test_a_generic_name_yields_in_its_layer_only(self):
        quiet = resolve(Sources({"PORT": "x", "LETTA_PORT": "1"}))
        told = resolve(Sources({"PORT": "x"}, ["--port", "1"]))
        assert (codes(quiet.warnings), codes(told.warnings)) == ([], ["shadowed-bad-value"])

    def test_a_switch_that_is_off_offers_nothing(self):
        resolution = resolved(LETTA_USE_GRANIAN="off")
        assert resolution.provenance["server.engine"] == "default"
        assert resolution.problems == resolution.warnings == ()

    def test_a_quoted_switch_that_is_off_is_noted(self):
        assert codes(resolved(LETTA_USE_GRANIAN="'off'").warnings) == ["quoted-value"]

    def test_a_port_outranked_with_its_host(self):
        resolution = resolved(LETTA_REDIS_URL="redis://h", LETTA_REDIS_PORT="tcp://10.0.0.1:1")
        assert codes(resolution.warnings) == ["shadowed-bad-value"]

    def test_the_same_sources_give_the_same_resolution(self):
        assert resolve(self.sources) == resolve(self.sources)

    def test_nothing_set_reads_nothing(self):
        resolution = resolve(Sources({"PATH": "/bin"}))
        assert resolution.problems == resolution.warnings == ()
        assert resolution.trace["auth.password"] == (
            TraceEntry("default", "", None, "auth.password"),
        )


class TestReading:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("LETTA_PORT", "None"),
            ("LETTA_PORT", "'None'"),
            ("LETTA_SERVER_PASSWORD", "None"),
            ("LETTA_ENVIRONMENT", " None "),
        ],
    )
    def test_none_as_text_says_to_leave_it_empty(self, name, text):
        (problem,) = resolve(Sources({name: text})).problems
        assert "empty" in problem.message

    def test_quotes_around_a_secret_are_kept(self):
        resolution = resolved(LETTA_SERVER_PASSWORD='"p"')
        assert codes(resolution.warnings) == ["quoted-value"]
        assert resolution.values["auth.password"] == Secret('"p"')

    def test_a_single_quote_is_text(self):
        assert environment(LETTA_ENVIRONMENT='"') == '"'

    def test_service_links_only_where_kubernetes_injects(self):
        sources = Sources(argv=["--environment", "tcp://x"])
        assert resolve(sources).values["telemetry.environment"] == "tcp://x"
        assert codes(resolved(LETTA_ENVIRONMENT="tcp://x").problems) == ["bad-value"]
        assert resolved(LETTA_SERVER_PASSWORD="tcp://x").problems == ()

    def test_sequences_are_read_as_they_are(self):
        text = 'cors:\n  origins: ["https://a\\0.example"]\n'
        (problem,) = resolve(Sources(file=("c.yaml", text))).problems
        assert "NUL" in problem.message

    def test_sequences_are_shown_as_lists(self):
        text = "cors:\n  origins:\n  - https://a.example\n  - https://b.example/\n"
        resolution = resolve(Sources(file=("c.yaml", text)))
        assert resolution.trace["cors.origins"][0].text == "https://a.example, https://b.example"

    def test_refused_services_are_not_shown(self):
        text = "models:\n  services:\n  - {name: a, base_url: 'ftp://u:hunter2@h'}\n"
        assert "hunter2" not in repr(resolve(Sources(file=("c.yaml", text))))


def check(*wanted, profile=None, **env):
    resolution = resolve(Sources(env, profile=profile))
    found = [*resolution.problems, *resolution.warnings]
    assert [(finding.code, finding.path) for finding in found] == list(wanted)
    return found


OPEN = {"LETTA_HOST": "0.0.0.0"}
PARTS = {"LETTA_PG_HOST": "h", "LETTA_PG_USER": "u", "LETTA_PG_PASSWORD": "p", "LETTA_PG_DB": "n"}
URI = {"LETTA_PG_URI": "postgresql://u:p@h/n"}


class TestChecks:
    def test_database(self):
        check(**PARTS)
        check(**URI)
        (finding,) = check(("conflicting-settings", "database.uri"), **URI, **PARTS)
        assert finding.related[0].text == "postgresql://u:********@h/n"
        assert [place.role for place in finding.related[1:]] == ["with"] * 4
        (finding,) = check(("conflicting-settings", "database.uri"), **URI, LETTA_PG_PORT="1")
        assert finding.message == "database.uri and database.port are both set"
        (finding,) = check(("incomplete-group", "database.user"), LETTA_PG_USER="u")
        assert "LETTA_PG_HOST" in finding.fix
        assert "database.host, database.password and database.name" in finding.message
        check(("bad-value", "database.uri"), LETTA_PG_URI="x", LETTA_PG_HOST="h")

    def test_certificates(self):
        pair = {"LETTA_TLS_CERT": "/c", "LETTA_TLS_KEY": "/k"}
        check(**pair, LETTA_TLS_CA="/ca", LETTA_TLS_KEY_PASSWORD="p")
        check(("conflicting-settings", "server.local_https"), LOCAL_HTTPS="1", **pair)
        check(("incomplete-group", "server.tls_key"), LETTA_TLS_KEY="/k")
        check(
            ("no-effect", "server.tls_key_password"),
            ("no-effect", "server.tls_ca"),
            LETTA_TLS_CA="/ca",
            LETTA_TLS_KEY_PASSWORD="p",
        )

    def test_redis(self):
        check(LETTA_RATE_LIMIT_STORE="redis", LETTA_REDIS_URL="redis://h")
        check(("incomplete-group", "ratelimit.store"), LETTA_RATE_LIMIT_STORE="redis")
        check(("incomplete-group", "redis.url"), LETTA_REDIS_PORT="1")
        check(
            ("bad-value", "redis.url"), LETTA_RATE_LIMIT_STORE="redis", LETTA_REDIS_URL="http://h"
        )

    def test_password(self):
        check(("missing-password", "auth.required"), SECURE="1")
        check(SECURE="1", LETTA_SERVER_PASSWORD="p")
        check(SECURE="1", LETTA_API_KEYS_FILE="/k")
        check(("bad-value", "auth.password"), SECURE="1", LETTA_SERVER_PASSWORD="None")

    def test_reload(self):
        check(("reload-with-workers", "server.reload"), LETTA_RELOAD="1", LETTA_WORKERS="2")
        check(LETTA_RELOAD="1", LETTA_WORKERS="auto")
        check(LETTA_RELOAD="1", LETTA_WORKERS="1")

    def test_wildcard(self):
        wildcard = "wildcard-with-credentials"
        check((wildcard, "cors.origins"), LETTA_CORS_ORIGINS="*")
        check(
            (wildcard, "cors.origins"),
            (wildcard, "cors.extra_origins"),
            LETTA_CORS_ORIGINS="*",
            ACCEPTABLE_ORIGINS="*",
        )
        check(ACCEPTABLE_ORIGINS="*", LETTA_CORS_CREDENTIALS="off")

    def test_granian(self):
        granian = {"LETTA_ENGINE": "granian", "SECURE": "1", "LETTA_SERVER_PASSWORD": "p"}
        check(("engine-needs-ip", "server.host"), **granian, LETTA_HOST="box.lan")
        for host in ("localhost", "10.0.0.1", "::"):
            check(**granian, LETTA_HOST=host)
        check(**granian, LETTA_HOST="box.lan", LETTA_UDS="/s")

    def test_engine(self):
        check(
            ("engine-cannot", "server.keep_alive"),
            LETTA_ENGINE="granian",
            LETTA_KEEP_ALIVE="1s",
        )
        check(profile="prod", LETTA_ENGINE="granian")
        check(("bad-value", "server.engine"), LETTA_ENGINE="x", LETTA_KEEP_ALIVE="1s")
        check(("no-effect", "server.uvloop"), LETTA_USE_UVLOOP="1")
        check(LETTA_USE_UVLOOP="1", LETTA_ENGINE="uvicorn")

    def test_insecure_origins(self):
        origins = {"LETTA_CORS_ORIGINS": "http://a.example,http://*.localhost,https://b.example"}
        check(**origins)
        (finding,) = check(("insecure-origin", "cors.origins"), profile="prod", **origins)
        assert "http://a.example:" in finding.message
        assert "localhost" not in finding.message

    def test_openness(self):
        check(("open-to-network", "server.host"), **OPEN)
        check(**OPEN, LETTA_UDS="/s")
        check(**OPEN, SECURE="1", LETTA_SERVER_PASSWORD="p")
        check(("bad-value", "auth.required"), **OPEN, SECURE="x")
        check(LETTA_HOST="a.localhost")

    def test_cross_field_findings_stand_last(self):
        check(
            ("bad-value", "server.port"),
            ("incomplete-group", "server.tls_key"),
            ("missing-password", "auth.required"),
            ("reload-with-workers", "server.reload"),
            LETTA_RELOAD="1",
            LETTA_WORKERS="2",
            SECURE="1",
            LETTA_TLS_KEY="/k",
            LETTA_PORT="x",
        )
