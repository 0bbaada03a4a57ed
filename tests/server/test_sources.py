import os
from pathlib import Path

import pytest

from portico.core.settings import Sources
from portico.server.sources import (
    MAX_FILE_BYTES,
    NamedFile,
    load,
    read_text,
    resolve_reading,
)


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_text_file_is_read_without_the_mark_of_its_editor(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfLETTA_PORT=1\r\n")
    content = read_text("a")
    assert (content.text, content.reason, content.missing) == ("LETTA_PORT=1\r\n", "", False)


def test_a_file_that_is_not_there_is_missing() -> None:
    content = read_text("nope")
    assert (content.text, content.missing) == (None, True)
    assert content.reason == "there is no such file"


def test_a_pipe_that_nobody_writes_to_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_text("pipe").reason == "it is a pipe, not a file"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "is a directory"),
        ("/dev/zero", "it is larger than 1 MiB"),
        ("x\0y", "embedded null byte"),
        ("x" * 5000, "file name too long"),
    ],
)
def test_what_is_no_text_file_is_said(name: str, reason: str) -> None:
    content = read_text(name)
    assert (content.text, content.missing) == (None, False)
    assert content.reason == reason


def test_the_device_that_holds_nothing_is_an_empty_file() -> None:
    assert read_text("/dev/null").text == ""


def test_a_file_may_be_as_large_as_the_bound_and_no_larger(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * MAX_FILE_BYTES)
    (tmp_path / "b").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    assert read_text("a").text is not None
    assert read_text("b").reason == "it is larger than 1 MiB"


def test_the_line_of_a_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\ntwo \xff\n")
    assert read_text("a").reason == "line 2 is not UTF-8 text (byte 0xff)"


def test_every_source_is_read(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text("server:\n  port: 8300\n")
    (tmp_path / ".env").write_text("LETTA_WORKERS=2\n")
    (tmp_path / "password").write_text("hunter2\n")
    environ = {"LETTA_SERVER_PASSWORD_FILE": "password", "LETTA_HOST": "::1"}
    resolution = load(("--keep-alive", "9s"), environ)
    assert resolution.settings is not None
    assert resolution.settings.server.port == 8300
    assert resolution.settings.server.workers == 2
    assert resolution.settings.server.host == "::1"
    assert resolution.settings.server.keep_alive == 9.0
    assert resolution.settings.auth.password is not None
    assert resolution.settings.auth.password.reveal() == "hunter2"


def test_the_process_s_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTA_PORT", "8400")
    assert load().values["server.port"] == 8400


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (("--config", "other.yaml"), {}),
        (("--config=other.yaml",), {"LETTA_CONFIG": "nope.yaml"}),
        ((), {"LETTA_CONFIG": "other.yaml"}),
        ((), {"LETTA_CONFIG_PATH": " other.yaml "}),
    ],
)
def test_the_configuration_file_is_the_named_one(
    argv: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "conf.yaml").write_text("server:\n  port: 1\n")
    (tmp_path / "other.yaml").write_text("server:\n  port: 2\n")
    assert load(argv, environ).provenance["server.port"] == "file:other.yaml:2"


def test_a_named_file_that_cannot_be_read_is_a_problem_with_its_reason() -> None:
    (problem,) = load(("--config", "nope.yaml"), {}).problems
    assert problem.code == "unreadable-file"
    assert problem.message == "nope.yaml cannot be read: there is no such file"


def test_each_unreadable_file_has_its_own_reason(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").mkdir()
    (tmp_path / ".env").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe")
    environ = {"LETTA_SERVER_PASSWORD_FILE": "pipe", "LETTA_PORT": "x"}
    messages = {p.origin: p.message for p in load((), environ).problems}
    assert messages["file:conf.yaml"].endswith("is a directory")
    assert messages["dotenv:.env"].endswith("line 1 is not UTF-8 text (byte 0xff)")
    assert messages["env:LETTA_SERVER_PASSWORD_FILE"].endswith("it is a pipe, not a file")
    assert messages["env:LETTA_PORT"] == "must be a port from 0 to 65535"


def test_the_cors_policy_is_compiled_with_the_rest() -> None:
    resolution = load((), {"LETTA_CORS_ORIGINS": "https://*.co.uk"})
    assert resolution.settings is None
    (problem,) = resolution.problems
    assert (problem.code, problem.path) == ("origin_wildcard_public_suffix", "cors.origins")


def test_a_file_already_read_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text("server:\n  port: 1\n")
    file = NamedFile("a.yaml", read_text("nope"))
    (problem,) = resolve_reading(Sources(file=file.source()), [file]).problems
    assert problem.message.endswith("there is no such file")
    assert resolve_reading(Sources()).values["server.port"] == 8283
