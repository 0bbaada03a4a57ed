"""Properties of resolving that hold for any sources at all."""

import builtins
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.core.settings import PROFILES, TABLE, Sources, resolve, wanted_files
from portico.core.settings.flags import CHOOSERS, flag_specs
from portico.core.settings.report import check_text
from portico.core.settings.variables import names_for

CLAIMS = names_for("LETTA_").claims
NAMES = sorted(CLAIMS)
FLAGS = sorted([*flag_specs(), *CHOOSERS])
ANY_TEXT = st.text(max_size=30) | st.text(st.characters(), max_size=12)
LIKELY = st.sampled_from(
    [
        "true", "no", "8283", "0", "-1", "5s", "1m30s", "10MiB", "auto", "*", "[]", '["a"]', "None",
        "granian", "uvicorn", "localhost", "0.0.0.0", "::1", "https://a.example/", "'x'", '""',
        "tcp://10.0.0.1:1", "postgresql://u:p@h/n", "redis://h", "10.0.0.0/8", "100/s burst 5",
        "/path", "prod", "static", "debug", "a b", " ", "null", "https://*.example", "http://x.y",
    ]
)  # fmt: skip
VALUES = LIKELY | ANY_TEXT
ENVS = st.dictionaries(
    st.sampled_from(NAMES) | st.sampled_from(["LETTA_PROFILE", "LETTA_CONFIG"])
    | st.text(max_size=8).map("LETTA_".__add__) | st.text(max_size=12),
    VALUES,
    max_size=8,
)  # fmt: skip
ARGVS = st.lists(st.sampled_from(FLAGS) | VALUES, max_size=6)
DOTENVS = st.lists(
    st.tuples(st.sampled_from(NAMES), VALUES).map("=".join) | ANY_TEXT, max_size=6
).map("\n".join)
SETTING_LINES = st.tuples(st.sampled_from(sorted(TABLE)), VALUES).map(
    lambda pair: "{}:\n  {}: {}".format(*pair[0].split("."), pair[1])
)
YAMLS = st.lists(SETTING_LINES | ANY_TEXT, max_size=5).map("\n".join)


@st.composite
def any_sources(draw):
    env, dotenv = draw(ENVS), draw(st.none() | st.tuples(st.just(".env"), DOTENVS))
    file = draw(st.none() | st.tuples(st.just("conf.yaml"), st.none() | YAMLS))
    plain = Sources(env, draw(ARGVS), dotenv, file)
    files = {path: draw(st.none() | VALUES) for path in wanted_files(plain)}
    profile = draw(st.none() | st.sampled_from(sorted(PROFILES)) | ANY_TEXT)
    return Sources(env, plain.argv, dotenv, file, files, profile)


def as_set(findings):
    return {(finding.code, finding.path, finding.origin) for finding in findings}


@given(any_sources())
@settings(max_examples=400, deadline=None)
def test_any_sources_give_a_resolution(sources):
    resolution = resolve(sources)
    assert (resolution.settings is None) == bool(resolution.problems)
    assert set(resolution.provenance) == set(resolution.trace) == set(TABLE)
    for path, entries in resolution.trace.items():
        assert entries[0].origin == resolution.provenance[path]
        assert entries[-1].origin == "default"
    if resolution.settings is not None:
        assert set(resolution.values) == set(TABLE)
    assert resolve(sources) == resolution


@given(any_sources(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_of_variables_decides_nothing(sources, random):
    items = list(sources.env.items())
    random.shuffle(items)
    shuffled = Sources(
        dict(items), sources.argv, sources.dotenv, sources.file, sources.files, sources.profile
    )
    first, second = resolve(sources), resolve(shuffled)
    assert first.settings == second.settings
    assert first.values == second.values
    assert first.provenance == second.provenance
    assert first.trace == second.trace
    assert as_set(first.problems) == as_set(second.problems)
    assert as_set(first.warnings) == as_set(second.warnings)


ENV = {"LETTA_PORT": "9000"}
FLAGS_ALONE = ("--grace", "3s")
DOTENV = (".env", "LETTA_WORKERS=2\n")
FILE = ("conf.yaml", "telemetry:\n  debug: true\n")
SOLE = [Sources(ENV), Sources(argv=FLAGS_ALONE), Sources(dotenv=DOTENV), Sources(file=FILE)]


@given(st.permutations(SOLE))
def test_layers_that_do_not_meet_are_independent(order):
    whole = resolve(Sources(ENV, FLAGS_ALONE, DOTENV, FILE))
    values: dict[str, object] = {}
    for sources in order:
        alone = resolve(sources)
        values |= {
            path: alone.values[path]
            for path, origin in alone.provenance.items()
            if origin != "default"
        }
    assert {path: whole.values[path] for path in values} == values


SECRETS = [
    name for name, claim in sorted(CLAIMS.items()) if claim.spec.secret and claim.form == "value"
]
MARK = "sEcReT5"


SECRET_TEXTS = [
    MARK,
    f" {MARK} ",
    f'"{MARK}"',
    f"postgresql://u:{MARK}@h/n",
    f"redis://:{MARK}@h",
    f"postgresql:///n?password={MARK}",
    f"{MARK}\0",
    f"https://u:{MARK}@h",
    f"x:{MARK}@h/{MARK}",
]
LAYERS = ["env", "dotenv", "file", "target"]


@given(st.sampled_from(SECRETS), st.sampled_from(SECRET_TEXTS), st.sampled_from(LAYERS))
@settings(deadline=None)
def test_secrets_are_shown_nowhere(name, text, layer):
    path = CLAIMS[name].spec.path
    group, _, key = path.partition(".")
    sources = {
        "env": Sources({name: text}, argv=["--port", "x"]),
        "dotenv": Sources(dotenv=(".env", f"{name}='{text}'\n")),
        "file": Sources(file=("c.yaml", f"{group}:\n  {key}: '{text}'\n")),
        "target": Sources({f"{name}_FILE": "/f"}, files={"/f": text}),
    }[layer]
    resolution = resolve(sources)
    for shown in (repr(resolution), check_text(resolution)):
        assert MARK not in shown


class Forbidden(dict):
    def __getattribute__(self, name):
        raise AssertionError(f"os.environ.{name} was asked for")

    def __getitem__(self, name):
        raise AssertionError(f"os.environ[{name!r}] was asked for")

    def __contains__(self, name):
        raise AssertionError(f"os.environ was asked for {name!r}")


def refuse(*arguments, **_):
    raise AssertionError(f"open{arguments} was called")


def test_a_whole_resolve_reads_neither_environment_nor_files(monkeypatch: pytest.MonkeyPatch):
    sources = Sources(
        env={"LETTA_PORT": "9000", "LETTA_SERVER_PASSWORD_FILE": "/p", "LETTA_WORKRES": "1"},
        argv=["--cors-origin", "https://bücher.example", "--grace", "x"],
        dotenv=(".env", "LETTA_WORKERS=${HOME}\n"),
        file=("conf.yaml", "server:\n  host: localhost\n  prot: 1\n"),
        files={"/p": "pw"},
        profile="prod",
    )
    expected = resolve(sources)  # imports what it needs
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", Forbidden())
        patch.setattr(os, "getenv", refuse)
        patch.setattr(builtins, "open", refuse)
        patch.setattr("io.open", refuse)
        patch.setattr(os, "open", refuse)
        found = wanted_files(sources), resolve(sources)
    assert found == (("/p",), expected)
    assert [finding.code for finding in expected.problems] == [
        "unknown-key",
        "bad-value",
        "bad-value",
    ]
