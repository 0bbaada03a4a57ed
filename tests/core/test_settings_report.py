from portico.core.settings import Sources, resolve
from portico.core.settings.report import (
    check_object,
    check_text,
    finding_text,
    is_valid,
    sources_read,
    verdict_line,
)
from portico.core.settings.resolution import Finding
from portico.core.settings.wording import coloured

FAULTY = Sources(
    file=("conf.yaml", "server:\n  port: 8300\n"),
    dotenv=(".env", "LETTA_WORKERS=2\nLETTA_PORT=99999\n"),
    env={
        "LETTA_PG_URI": "postgresql://letta:hunter2@db:5432/letta",
        "LETTA_PG_HOST": "db2",
        "LETTA_WORKRES": "4",
    },
)
REPORT = """\
error[bad-value] server.port: must be a port from 0 to 65535
    at    .env:2 LETTA_PORT  = 99999
    over  conf.yaml:2 server.port  = 8300

error[conflicting-settings] database.uri: database.uri and database.host are both set
    at    environment LETTA_PG_URI  = postgresql://letta:********@db:5432/letta
    with  environment LETTA_PG_HOST  = db2
    fix   keep the URI, or keep the parts

warning[unknown-key] LETTA_WORKRES: LETTA_WORKRES is not a setting; did you mean LETTA_WORKERS?
    at    environment LETTA_WORKRES
    fix   rename it to LETTA_WORKERS

2 problems, 1 warning"""
WARNED = resolve(Sources(env={"LETTA_WORKRES": "4"}, profile="dev"))
CLEAN = resolve(Sources())


def test_every_finding_stands_with_its_places() -> None:
    assert check_text(resolve(FAULTY)) == REPORT


def test_emphasis_changes_no_word() -> None:
    painted = check_text(resolve(FAULTY), paint=coloured)
    assert painted != REPORT
    for code in ("\x1b[1;31m", "\x1b[1;33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == REPORT


def test_a_value_cannot_write_on_the_terminal() -> None:
    report = check_text(resolve(Sources(env={"LETTA_PORT": "1\x1b[2J\r0"})))
    assert "\x1b" not in report
    assert "1\\x1b[2J\\r0" in report


def test_a_finding_without_a_place_is_its_message() -> None:
    assert finding_text(Finding("syntax", "x", "", "no"), "error") == "error[syntax] x: no"
    assert finding_text(Finding("syntax", "x", "env:X", "no"), "error").endswith(
        "    at    environment X"
    )


def test_the_last_line_sums_up() -> None:
    assert verdict_line(CLEAN) == "the settings are valid"
    assert verdict_line(WARNED) == "the settings are valid, 1 warning (profile dev)"
    assert verdict_line(WARNED, strict=True) == "0 problems, 1 warning (strict) (profile dev)"


def test_strict_promotes_warnings() -> None:
    assert is_valid(WARNED)
    assert not is_valid(WARNED, strict=True)
    assert is_valid(CLEAN, strict=True)
    assert not is_valid(resolve(FAULTY))


def test_sources_are_named_with_what_they_gave() -> None:
    sources = Sources(
        file=("conf.yaml", "server:\n  port: 8300\n  workers: 2\n"),
        dotenv=(".env", "LETTA_PORT=99\n"),
        env={"LETTA_HOST": "::1", "LETTA_PORT": "8"},
        argv=("--port", "9"),
    )
    assert set(sources_read(resolve(sources))) == {
        ".env",
        "conf.yaml",
        "environment (2)",
        "flags (1)",
    }
    assert sources_read(CLEAN) == ()


def test_the_object_has_the_same_findings() -> None:
    document = check_object(resolve(FAULTY))
    assert list(document) == ["ok", "profile", "problems", "warnings"]
    assert document["ok"] is False
    assert document["profile"] is None
    problems = document["problems"]
    assert isinstance(problems, list)
    assert problems[0] == {
        "code": "bad-value",
        "path": "server.port",
        "origin": "dotenv:.env:2",
        "message": "must be a port from 0 to 65535",
        "fix": "",
        "related": [
            {"role": "at", "origin": "dotenv:.env:2", "name": "LETTA_PORT", "text": "99999"},
            {
                "role": "over",
                "origin": "file:conf.yaml:2",
                "name": "server.port",
                "text": "8300",
            },
        ],
    }
    assert "hunter2" not in str(document)


def test_the_object_says_what_strict_makes_of_it() -> None:
    assert check_object(WARNED)["ok"] is True
    assert check_object(WARNED, strict=True)["ok"] is False
