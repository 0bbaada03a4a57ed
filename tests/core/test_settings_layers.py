"""Reading each layer: variables, .env, the configuration file, flags, and what chooses them."""

import pytest
import yaml

from portico.core.settings import Settings, Sources, named_config, resolve, wanted_files
from portico.core.settings.dotenv_file import parse_dotenv
from portico.core.settings.flags import Token, chosen, split_arguments
from portico.core.settings.suggestions import did_you_mean, find_resembling
from portico.core.settings.variables import names_for
from portico.core.settings.yaml_file import DEEPEST, SyntaxFault, compose


def problems(**sources):
    found = resolve(Sources(**sources)).problems
    return [(finding.code, finding.path, finding.origin) for finding in found]


def settled(sources: Sources) -> Settings:
    settings = resolve(sources).settings
    assert settings is not None
    return settings


def warnings(**sources):
    found = resolve(Sources(**sources)).warnings
    return [(finding.code, finding.path, finding.origin) for finding in found]


class TestSuggestions:
    def test_resemblance_starts_at_four_fifths(self):
        assert find_resembling("--prot", ["--port", "--host"]) == "--port"
        assert find_resembling("--prxyz", ["--port"]) is None

    def test_wording(self):
        assert did_you_mean("x") == "; did you mean x?"
        assert did_you_mean(None) == ""


class TestVariables:
    def test_the_prefix_takes_the_place_of_the_built_in_one(self):
        claims = names_for("ACME_").claims
        assert "ACME_PORT" in claims
        assert "PORT" in claims
        assert "OPENAI_API_KEY" in claims
        assert "LETTA_PORT" not in claims

    def test_a_switch_stands_for_a_value(self):
        assert settled(Sources({"LETTA_USE_GRANIAN": "1"})).server.engine == "granian"

    def test_blank_is_unset(self):
        resolution = resolve(Sources({"LETTA_PORT": " \t", "LETTA_ENVIRONMENT": ""}))
        assert resolution.provenance["server.port"] == "default"
        assert resolution.values["telemetry.environment"] is None

    def test_quotes_around_nothing_are_nothing(self):
        assert warnings(env={"LETTA_PORT": "'' "}) == [
            ("quoted-value", "server.port", "env:LETTA_PORT")
        ]
        assert resolve(Sources({"LETTA_ENVIRONMENT": "''"})).values["telemetry.environment"] == "''"

    @pytest.mark.parametrize(
        ("host", "port", "url"),
        [
            ("Cache", None, "redis://cache:6379"),
            ("::1", "7000", "redis://[::1]:7000"),
            ("h", " ", "redis://h:6379"),
        ],
    )
    def test_a_redis_host_and_port_are_a_url(self, host, port, url):
        env = {"LETTA_REDIS_HOST": host} | ({"LETTA_REDIS_PORT": port} if port else {})
        shared = settled(Sources(env)).redis.url
        assert shared is not None
        assert shared.reveal() == url

    @pytest.mark.parametrize("name", ["LETTA_API_KEY", "LETTA_SERVICE_X", "LETTA_PORT_1_TCP"])
    def test_names_of_others_are_not_judged(self, name):
        assert warnings(env={name: "tcp://x", name.lower(): "x"}) == []

    def test_names_that_choose_layers_are_known_and_suggested(self):
        assert warnings(env={"LETTA_PROFILE": "dev"}) == []
        assert resolve(Sources({"LETTA_PROFIEL": "dev"})).warnings[0].fix.endswith("LETTA_PROFILE")

    def test_foreign_names_of_dotenv_are_named_too(self):
        found = warnings(dotenv=(".env", "UVICORN_PORT=1\n"))
        assert found == [("foreign-variable", "UVICORN_PORT", "dotenv:.env:1")]

    def test_the_values_of_unknown_names_are_never_shown(self):
        sources = Sources({"LETTA_SERVER_PASSWRD": "hunter2", "LETTA_X": "hunter2"})
        assert "hunter2" not in repr(resolve(sources))

    @pytest.mark.parametrize(
        ("content", "secret"),
        [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\r", "a"), ("a\n\n", "a\n"), (" a ", " a ")],
    )
    def test_a_target_loses_one_line_end(self, content, secret):
        sources = Sources({"LETTA_SERVER_PASSWORD_FILE": "/p"}, files={"/p": content})
        password = settled(sources).auth.password
        assert password is not None
        assert password.reveal() == secret

    def test_wanted_files(self):
        sources = Sources(
            {"LETTA_SERVER_PASSWORD_FILE": " /b ", "LETTA_PORT_FILE": "/a", "X_FILE": "/no"},
            dotenv=(
                ".env",
                "LETTA_PG_PASSWORD_FILE=/c\nLETTA_PG_URI_FILE=\nOPENAI_API_KEY_FILE=/a",
            ),
        )
        assert wanted_files(sources) == ("/c", "/a", "/b")
        assert wanted_files(Sources()) == ()
        assert wanted_files(Sources(dotenv=(".env", None))) == ()

    def test_what_a_file_holds_is_not_shown_when_it_is_refused(self):
        sources = Sources({"LETTA_PORT_FILE": "/etc/shadow"}, files={"/etc/shadow": "root:hash"})
        assert "root:hash" not in repr(resolve(sources))


class TestDotenv:
    def test_lines_are_those_of_the_keys(self):
        parsed = parse_dotenv(".env", "\n# c\n\nA=1\nexport B='x\ny'\r\n C = 3 # c\nD\nE=\n")
        assert parsed.lines == ((4, "A", "1"), (5, "B", "x\ny"), (7, "C", "3"), (9, "E", ""))
        assert parsed.stretches == ()

    def test_stretches_join_when_they_follow_each_other(self):
        parsed = parse_dotenv(".env", "a b\nc d\nA=1\n\ne f\nB='x\ny' z")
        assert [str(stretch) for stretch in parsed.stretches] == ["lines 1-2", "lines 5-7"]

    def test_a_byte_order_mark_is_no_part_of_a_name(self):
        assert parse_dotenv(".env", "\ufeffA=1").lines == ((1, "A", "1"),)

    def test_the_last_of_repeated_variables_counts(self):
        dotenv = (".env", "LETTA_PORT=1\nX=1\nX=2\nLETTA_PORT=2\nLETTA_PORT=3\n")
        assert warnings(dotenv=dotenv) == [("duplicate-key", "server.port", "dotenv:.env:5")]
        assert resolve(Sources(dotenv=dotenv)).values["server.port"] == 3

    def test_a_repeated_choice_of_profile(self):
        dotenv = (".env", "LETTA_PROFILE=prod\nLETTA_PROFILE=dev\n")
        assert warnings(dotenv=dotenv) == [("duplicate-key", "LETTA_PROFILE", "dotenv:.env:2")]
        assert resolve(Sources(dotenv=dotenv)).profile == "dev"

    def test_stretches_are_problems_with_their_lines(self):
        (problem,) = resolve(Sources(dotenv=(".env", "A=1\nb c\nd e"))).problems
        assert (problem.code, problem.origin) == ("syntax", "dotenv:.env:2")
        assert "lines 2-3" in problem.message

    def test_unreadable(self):
        assert problems(dotenv=(".env", None)) == [("unreadable-file", ".env", "dotenv:.env")]


def in_file(text):
    return problems(file=("c.yaml", text))


class TestFile:
    @pytest.mark.parametrize("text", ["", "# nothing\n", "~", "server:\ncors: ~\n", "server: {}"])
    def test_nothing_sets_nothing(self, text):
        assert in_file(text) == []

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("a: [\n", 2),
            ("\n\ta: 1", 2),
            ("a: *nowhere", 1),
            ("a: 1\n---\nb: 1\n", 2),
            ('a: "\\x"', 1),
            ("a: \udcff", 1),
            ("a: 1\nb: \0\n", 1),
            ("- " * (DEEPEST + 1), 1),
            ("[" * 100_000, 1),
        ],
    )
    def test_syntax(self, text, line):
        assert in_file(text) == [("syntax", "c.yaml", f"file:c.yaml:{line}")]

    def test_many_marks_are_not_deep(self):
        origins = ", ".join(f"https://{number}.example" for number in range(DEEPEST * 2))
        assert in_file(f"cors:\n  origins: [{origins}]\n") == []

    def test_without_libyaml(self, monkeypatch):
        monkeypatch.delattr(yaml, "CSafeLoader")
        root = compose("a: 1")
        assert not isinstance(root, SyntaxFault)
        assert root is not None
        assert root.id == "mapping"
        assert compose("a: [") == SyntaxFault(
            1, "expected the node content, but found '<stream end>'"
        )

    def test_faults_without_a_mark(self, monkeypatch):
        def fail(*_):
            raise yaml.MarkedYAMLError

        monkeypatch.setattr(yaml, "compose", fail)
        assert compose("a") == SyntaxFault(1, "is not YAML")

    @pytest.mark.parametrize(
        ("text", "path", "line"),
        [
            ("- a", "c.yaml", 1),
            ("a", "c.yaml", 1),
            ("telemetry:\n  debug: true\nserver: 1", "server", 3),
            ("server:\n  port: {a: 1}", "server.port", 2),
            ("server:\n  port: [1]", "server.port", 2),
            ("cors:\n  origins: {a: 1}", "cors.origins", 2),
            ("cors:\n  origins: [[a]]", "cors.origins", 2),
            ("models:\n  services: x", "models.services", 2),
            ("models:\n  services: [x]", "models.services", 2),
            ("models:\n  services:\n  - name: [x]", "models.services.name", 3),
            ("? [a]\n: 1", "c.yaml", 1),
            ("server:\n  ? [a]\n  : 1", "server", 2),
        ],
    )
    def test_types(self, text, path, line):
        assert ("type", path, f"file:c.yaml:{line}") == in_file(text)[0]

    def test_unknown_keys_once_each(self):
        text = "sever:\n  x: 1\nserver:\n  prot: 1\n  prot: 2\n  zzz: {a: 1}\n<<: {}\n"
        found = resolve(Sources(file=("c.yaml", text))).problems
        assert [(finding.path, finding.fix) for finding in found] == [
            ("sever", "write server"),
            ("server.prot", "write server.port"),
            ("server.prot", "write server.port"),
            ("server.zzz", "remove it"),
            ("<<", "remove it"),
        ]

    def test_duplicates(self):
        text = "server:\n  port: 1\n  port: ~\nserver: {}\n"
        assert in_file(text) == [
            ("duplicate-key", "server.port", "file:c.yaml:3"),
            ("duplicate-key", "server", "file:c.yaml:4"),
        ]

    def test_findings_follow_the_text(self):
        assert in_file("server:\n  prot: 1\n  port: x\n  uds: [a]\n") == [
            ("unknown-key", "server.prot", "file:c.yaml:2"),
            ("bad-value", "server.port", "file:c.yaml:3"),
            ("type", "server.uds", "file:c.yaml:4"),
        ]

    def test_services_unknown_keys(self):
        text = "models:\n  services:\n  - {name: a, base_url: https://a, nmae: b}\n"
        assert in_file(text) == [("unknown-key", "models.services.nmae", "file:c.yaml:3")]

    def test_services_null_keys_are_unset(self):
        text = "models:\n  services:\n  - {name: a, base_url: https://a, api_key_file: ~}\n"
        resolution = resolve(Sources(file=("c.yaml", text)))
        (service,) = settled(Sources(file=("c.yaml", text))).models.services
        assert service.api_key_file is None
        assert resolution.trace["models.services"][0].text == "a"

    @pytest.mark.parametrize(
        ("text", "lost"),
        [
            ("server: 1", True),
            ("- a", True),
            ("server:\n  tls_cert: [a]", True),
            ("server:\n  tls_crt: a", False),
        ],
    )
    def test_what_the_file_lost_is_not_judged_together(self, text, lost):
        found = problems(file=("c.yaml", text), env={"LETTA_TLS_KEY": "/k"})
        assert (("incomplete-group", "server.tls_key", "env:LETTA_TLS_KEY") not in found) is lost

    def test_what_a_higher_layer_decides_is_judged_still(self):
        env = {"LETTA_TLS_KEY": "/k", "LETTA_WORKERS": "2", "LETTA_RELOAD": "1"}
        assert [code for code, *_ in problems(file=("c.yaml", "["), env=env)] == [
            "syntax",
            "reload-with-workers",
        ]


class TestFlags:
    def test_values_stand_apart_or_behind_an_equals_sign(self):
        tokens = split_arguments(["--port", "1", "--grace=2s=", "--reload", "x", "--host"])
        assert tokens == [
            Token("--port", "1", 0),
            Token("--grace", "2s=", 2),
            Token("--reload", None, 3),
            Token("x", None, 4),
            Token("--host", None, 5),
        ]

    def test_dashes(self):
        assert split_arguments(["--port", "-1", "-v", "-x"]) == [
            Token("--port", "-1", 0),
            Token("-v", "-x", 2),
        ]

    def test_the_last_choice_counts(self):
        tokens = split_arguments(["--profile", "a", "--profile=b"])
        assert chosen(tokens, "--profile") == tokens[1]
        assert chosen(tokens, "--config") is None

    def test_choosers_need_values(self):
        assert problems(argv=["--profile", "--config="]) == [
            ("bad-value", "profile", "flag:--profile"),
            ("bad-value", "config", "flag:--config"),
        ]

    def test_booleans(self):
        sources = Sources(argv=["--reload=no", "--debug", "--no-http2", "--secure=0"])
        settings = settled(sources)
        assert (settings.server.reload, settings.server.http2) == (False, False)
        assert settings.telemetry.debug is True
        assert resolve(sources).provenance["server.http2"] == "flag:--no-http2"

    def test_values_that_are_missing_or_not_wanted(self):
        assert problems(argv=["--port", "--no-debug=1", "--grace"]) == [
            ("bad-value", "server.port", "flag:--port"),
            ("bad-value", "telemetry.debug", "flag:--no-debug"),
            ("bad-value", "server.grace", "flag:--grace"),
        ]

    def test_a_stray_argument(self):
        assert problems(argv=["x"]) == [("unknown-key", "x", "flag:x")]

    def test_flags_disagree(self):
        argv = ["--cors-origin", "https://a.example", "--cors-origins", "https://b.example"]
        assert problems(argv=argv) == [("conflicting-names", "cors.origins", "flag:--cors-origins")]

    def test_a_flag_again_is_shadowed(self):
        assert warnings(argv=["--port", "x", "--port", "1"]) == [
            ("shadowed-bad-value", "server.port", "flag:--port")
        ]

    def test_repeated_origins_make_one_list(self):
        argv = ["--cors-origin", "https://a.example", "--port=1", '--cors-origin=["https://b"]']
        resolution = resolve(Sources(argv=argv))
        assert resolution.values["cors.origins"] == ("https://a.example", "https://b")
        assert resolution.trace["cors.origins"][0].text == "https://a.example, https://b"

    def test_repeated_origins_with_a_broken_one(self):
        argv = ["--cors-origin", "['a']", "--cors-origin", "https://a.example"]
        assert warnings(argv=argv) == [("shadowed-bad-value", "cors.origins", "flag:--cors-origin")]

    def test_secrets_have_no_flag_and_are_not_shown(self):
        argv = ["--auth-password", "hunter2", "--tls-key-password=hunter2"]
        resolution = resolve(Sources(argv=argv))
        assert [finding.fix for finding in resolution.problems] == [
            "set LETTA_SERVER_PASSWORD or LETTA_SERVER_PASSWORD_FILE",
            "set LETTA_TLS_KEY_PASSWORD or LETTA_TLS_KEY_PASSWORD_FILE",
        ]
        assert "hunter2" not in repr(resolution)

    def test_a_missing_value_is_no_suggestion(self):
        finding = resolve(Sources(argv=["--zzz"])).problems[0]
        assert (finding.path, finding.fix) == ("--zzz", "remove it")


class TestChoosers:
    def test_order(self):
        env, dotenv = {"LETTA_PROFILE": "dev"}, (".env", "LETTA_PROFILE=prod\n")
        chosen_by = [
            Sources(env, ["--profile", "container"], dotenv, profile="prod"),
            Sources(env, dotenv=dotenv, profile="prod"),
            Sources(dotenv=dotenv, profile="dev"),
            Sources(profile=" DEV "),
            Sources(env={"LETTA_PROFILE": "'dev'"}),
            Sources(profile=" "),
            Sources({"LETTA_PROFILE": " "}, dotenv=dotenv),
        ]
        profiles = [resolve(sources).profile for sources in chosen_by]
        assert profiles == ["container", "dev", "prod", "dev", "dev", None, "prod"]

    def test_unknown(self):
        resolution = resolve(Sources(profile="zzz"))
        assert resolution.profile is None
        assert "dev, prod, container" in resolution.problems[0].message
        assert resolution.problems[0].origin == "profile:zzz"
        assert resolution.problems[0].fix == "choose one of dev, prod, container"

    def test_named_config(self):
        assert named_config(Sources()) is None
        env = {"LETTA_CONFIG_PATH": "/b"}
        assert named_config(Sources(env)) == ("/b", "env:LETTA_CONFIG_PATH")
        assert named_config(Sources(env, ["--config=/a"])) == ("/a", "flag:--config")
        dotenv = (".env", "LETTA_CONFIG=/c\n")
        assert named_config(Sources(dotenv=dotenv)) == ("/c", "dotenv:.env:1")

    def test_a_file_that_was_not_named(self):
        assert problems(file=("c.yaml", None)) == [
            ("unreadable-file", "c.yaml", "file:c.yaml"),
        ]

    def test_a_named_file_is_reported_where_it_was_named(self):
        found = problems(file=("/a", None), env={"LETTA_CONFIG": "/a"})
        assert found == [("unreadable-file", "/a", "env:LETTA_CONFIG")]

    def test_a_named_file_among_the_files(self):
        sources = Sources({"LETTA_CONFIG": "/a"}, files={"/a": "server:\n  port: 1\n"})
        assert resolve(sources).provenance["server.port"] == "file:/a:2"

    def test_names_of_the_file_disagree_in_one_layer_only(self):
        env = {"LETTA_CONFIG": "/a", "LETTA_CONFIG_PATH": "/b"}
        files = {"/a": "", "/b": ""}
        assert problems(env=env, files=files) == [
            ("conflicting-names", "config", "env:LETTA_CONFIG")
        ]
        env["LETTA_CONFIG_PATH"] = "/a"
        dotenv = (".env", "LETTA_CONFIG=/b\n")
        assert problems(env=env, files=files, dotenv=dotenv) == []
