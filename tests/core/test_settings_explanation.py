import pytest

from portico.core.settings import TABLE, Sources, resolve
from portico.core.settings.explanation import (
    explain_object,
    explain_text,
    find_path,
    show_object,
    show_text,
    suggest_path,
)
from portico.core.settings.wording import coloured

LAYERED = resolve(
    Sources(
        file=("conf.yaml", "server:\n  port: 8300\n"),
        dotenv=(".env", "\nLETTA_PORT=99999\n"),
        env={"LETTA_PORT": "8400", "LETTA_SERVER_PASSWORD": "hunter2"},
        argv=("--port", "9000"),
    )
)
BROKEN = resolve(Sources(env={"LETTA_PORT": "eighty"}))


def test_a_setting_is_explained_from_the_highest_layer_down() -> None:
    assert (
        explain_text(LAYERED, "server.port")
        == """\
server.port = 9000
  names    file server.port | env LETTA_PORT, PORT, LETTA_PORT_FILE | flag --port
  maps to  hypercorn bind | uvicorn port | granian port
  from the highest layer down:
  -> flag --port                        9000
     environment LETTA_PORT             8400
     .env:2 LETTA_PORT                  99999   INVALID: must be a port from 0 to 65535
     conf.yaml:2 server.port            8300
     built-in default                   8283"""
    )


def test_emphasis_marks_what_is_refused() -> None:
    assert "\x1b[1;31mINVALID\x1b[0m" in explain_text(LAYERED, "server.port", paint=coloured)


def test_a_refused_value_is_no_value() -> None:
    text = explain_text(BROKEN, "server.port")
    assert text.startswith("server.port = (no valid value)\n")
    assert "->" not in text
    document = explain_object(BROKEN, "server.port")
    assert document["value"] is None


def test_what_no_engine_carries_out_portico_does() -> None:
    text = explain_text(LAYERED, "auth.password")
    assert "maps to  Portico itself" in text
    assert "flag" not in text.splitlines()[1]
    assert "= ********" in text
    assert "hunter2" not in text


def test_a_setting_of_the_file_alone_has_no_variable() -> None:
    lines = explain_text(LAYERED, "models.services").splitlines()
    assert lines[1] == "  names    file models.services"


def test_the_object_of_an_explanation() -> None:
    document = explain_object(LAYERED, "server.port")
    assert document == {
        "path": "server.port",
        "value": 9000,
        "origin": "flag:--port",
        "names": {
            "file": "server.port",
            "env": ["LETTA_PORT", "PORT", "LETTA_PORT_FILE"],
            "flag": ["--port"],
        },
        "maps_to": "hypercorn bind | uvicorn port | granian port",
        "trace": [
            {"origin": "flag:--port", "text": "9000", "problem": None},
            {"origin": "env:LETTA_PORT", "text": "8400", "problem": None},
            {
                "origin": "dotenv:.env:2",
                "text": "99999",
                "problem": "must be a port from 0 to 65535",
            },
            {"origin": "file:conf.yaml:2", "text": "8300", "problem": None},
            {"origin": "default", "text": "8283", "problem": None},
        ],
    }


def test_every_setting_is_shown_with_its_origin() -> None:
    lines = {line.split()[0]: line for line in show_text(LAYERED).splitlines()}
    assert list(lines) == list(TABLE)
    assert lines["server.port"].split() == ["server.port", "9000", "flag", "--port"]
    assert lines["server.uds"].split()[1:] == ["(unset)", "built-in", "default"]
    assert "hunter2" not in str(lines)


def test_a_refused_value_is_shown_without_an_origin() -> None:
    line = next(line for line in show_text(BROKEN).splitlines() if line.startswith("server.port"))
    assert line.split(maxsplit=1)[1] == "(no valid value)"


def test_the_object_of_all_settings() -> None:
    document = show_object(LAYERED)
    assert list(document) == list(TABLE)
    assert document["server.port"] == {"value": 9000, "origin": "flag:--port"}
    assert document["server.keep_alive"] == {"value": 5.0, "origin": "default"}
    assert document["auth.password"] == {
        "value": "********",
        "origin": "env:LETTA_SERVER_PASSWORD",
    }


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("server.port", "server.port"),
        ("LETTA_PORT", "server.port"),
        ("LETTA_SERVER_PASSWORD_FILE", "auth.password"),
        ("--keep-alive", "server.keep_alive"),
        ("port", None),
    ],
)
def test_a_setting_is_found_by_each_of_its_names(name: str, path: str | None) -> None:
    assert find_path(name) == path


@pytest.mark.parametrize(
    ("name", "path"),
    [("servr.port", "server.port"), ("root_pth", "server.root_path"), ("xyzzy", None)],
)
def test_a_near_name_is_suggested(name: str, path: str | None) -> None:
    assert suggest_path(name) == path
