"""The installed ``portico`` script, as a person or a program runs it."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT, environment, program, run, serve, start

SECRETS = {
    "LETTA_SERVER_PASSWORD": "hunter2-one",
    "LETTA_PG_URI": "postgresql://letta:hunter2-two@db:5432/letta",
    "LETTA_REDIS_URL": "redis://:hunter2-three@cache:6379/0",
    "OPENAI_API_KEY": "hunter2-four",
    "LETTA_TLS_KEY_PASSWORD": "hunter2-five",
}
FAULTY = {"LETTA_PORT": "99999"}
WARNED = {"LETTA_WORKRES": "4"}


def run_json(*arguments: str, **given: Any) -> tuple[int, Any]:
    code, output, _ = run(*arguments, "--format", "json", **given)
    return code, json.loads(output)


def shell(command: str, tmp_path: Path, **given: str) -> tuple[int, str, str]:
    """Run a line of bash in which ``portico`` is the installed script."""
    portico = shlex.join(program())
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'portico() {{ {portico} "$@"; }}; {command}'],
        env=environment(given, home=tmp_path),
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


# What is there


def test_help_lists_the_commands() -> None:
    code, output, errors = run("--help")
    assert (code, errors) == (0, "")
    for name in ("serve", "config", "cors", "plan", "openapi", "version", "completion"):
        assert re.search(rf"^  {name} +\S", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["confg"], "no command 'confg'; did you mean 'config'?"),
        (["config", "chek"], "no command 'chek'; did you mean 'check'?"),
        (["cors", "xyzzy"], "no command 'xyzzy'; there are explain"),
        (["config", "explain"], "Missing argument 'SETTING'"),
        (["config", "explain", "servr.port"], "did you mean server.port?"),
        (["config", "explain", "xyzzy"], "portico config show lists them all"),
        (["config", "check", "stray"], "unexpected extra argument"),
        (["config", "check", "--format", "xml"], "'text', 'json'"),
        (["cors", "explain"], "Missing option '--origin'"),
        (["config", "diff", "a.yaml"], "Missing argument 'B'"),
        (["--nope"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_exit_2_and_says_what_is_near(
    arguments: list[str], words: str
) -> None:
    code, output, errors = run(*arguments)
    assert (code, output) == (2, "")
    assert words in errors
    assert "Traceback" not in errors


def test_no_command_shows_the_help() -> None:
    code, output, errors = run()
    assert code == 2
    assert "Commands:" in output + errors


def test_the_version_is_the_installed_one() -> None:
    assert re.fullmatch(r"portico \d+\.\d+\.\d+", run("version")[1])
    assert run("--version") == run("version")
    code, document = run_json("version")
    assert code == 0
    assert list(document) == ["version"]


def test_the_openapi_document_needs_no_server() -> None:
    code, document = run_json("openapi")
    assert code == 0
    assert document["openapi"].startswith("3.")
    assert "/v1/health/" in document["paths"]


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_a_completion_script_asks_portico(shell_name: str) -> None:
    code, output, _ = run("completion", shell_name)
    assert code == 0
    assert f"_PORTICO_COMPLETE={shell_name}_complete" in output


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("portico conf", ["config"]),
        ("portico serve --log-l", ["--log-level"]),
        ("portico serve --log-level war", ["warning"]),
        ("portico serve --port 9000 --no-rel", ["--no-reload"]),
        ("portico config explain server.po", ["server.port"]),
        ("portico config check --prof", ["--profile"]),
        ("portico config check --profile pr", ["prod"]),
    ],
)
def test_settings_are_completed_like_everything_else(words: str, completed: list[str]) -> None:
    count = str(len(words.split()) - 1)
    asked = {"_PORTICO_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
    _, output, _ = run(environ=asked)
    assert [line.partition(",")[2] for line in output.splitlines()] == completed


@pytest.mark.parametrize("command", [["serve"], ["config", "check"], ["plan"]])
def test_every_setting_is_documented_where_it_can_be_given(command: list[str]) -> None:
    code, output, _ = run(*command, "--help")
    assert code == 0
    assert "Settings: server:" in output
    assert "Settings: database:" in output
    assert re.search(r"--port PORT +The TCP port to bind", output)
    assert re.search(r"--reload / --no-reload +Restart", output)
    assert "[LETTA_PORT; 8283]" in " ".join(output.split())
    assert "--auth-password" not in output


# Exit codes of the settings


def test_sound_settings_are_exit_0() -> None:
    assert run("config", "check") == (0, "the settings are valid", "")


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["config", "check"],
        ["config", "show"],
        ["config", "explain", "server.port"],
        ["cors", "explain", "--origin", "https://a.example"],
        ["plan"],
    ],
)
@pytest.mark.parametrize(
    ("flags", "environ"),
    [
        ([], FAULTY),
        (["--prot", "1"], {}),
        (["--profile", "prd"], {}),
        (["--config", "nope.yaml"], {}),
        (["--strict"], WARNED),
        ([], {"LETTA_CORS_ORIGINS": "https://*.co.uk"}),
    ],
    ids=["value", "flag", "profile", "file", "strict", "policy"],
)
def test_any_problem_in_the_settings_is_exit_78(
    command: list[str], flags: list[str], environ: dict[str, str]
) -> None:
    code, _, errors = run(*command, *flags, environ=environ)
    assert code == 78
    assert "Traceback" not in errors


def test_warnings_alone_are_exit_0() -> None:
    code, output, _ = run("config", "check", environ=WARNED)
    assert code == 0
    assert output.endswith("the settings are valid, 1 warning")


def test_a_server_with_faulty_settings_prints_the_report_of_check_and_binds_nothing() -> None:
    _, report, _ = run("config", "check", environ=FAULTY)
    code, output, errors = run("serve", environ=FAULTY)
    assert (code, output, errors) == (78, "", report)


def test_a_server_with_faulty_settings_reports_them_as_json_too() -> None:
    code, document = run_json("serve", environ=FAULTY)
    assert code == 78
    assert document == run_json("config", "check", environ=FAULTY)[1]


# The ten mistakes


def test_ten_mistakes_are_found_at_once_with_their_lines() -> None:
    path = ROOT / "docs" / "examples" / "ten-mistakes.yaml"
    lines = path.read_text().splitlines()
    code, output, _ = run(
        "config",
        "check",
        files={"ten.yaml": path.read_text()},
        environ={"LETTA_CONFIG": "ten.yaml"},
    )
    found = re.findall(
        r"^error\[[a-z-]+\] (\S+):.*\n    at    ten\.yaml:(\d+) ", output, re.MULTILINE
    )
    assert code == 78
    assert output.endswith("10 problems, 0 warnings")
    assert [name for name, _ in found] == [
        *("server.port", "server.workers", "server.keep_alive", "server.hots", "server.max_body"),
        *("cors.origins", "cors.orgins", "telemetry.debug", "telemetry.log_level", "database.uri"),
    ]
    for name, line in found:
        assert lines[int(line) - 1].strip().startswith(name.partition(".")[2] + ":")
    assert "hunter2" not in output


# Shapes


def test_the_shape_of_check() -> None:
    code, document = run_json("config", "check", environ={**FAULTY, **WARNED})
    assert code == 78
    assert list(document) == ["ok", "profile", "problems", "warnings"]
    assert [finding["code"] for finding in document["problems"]] == ["bad-value"]
    assert [finding["code"] for finding in document["warnings"]] == ["unknown-key"]


def test_the_shape_of_show_and_explain() -> None:
    files = {"conf.yaml": "server:\n  port: 8300\n"}
    code, document = run_json("config", "show", files=files)
    assert code == 0
    assert document["server.port"] == {"value": 8300, "origin": "file:conf.yaml:2"}
    code, document = run_json("config", "explain", "LETTA_PORT", "--port", "9000", files=files)
    assert code == 0
    assert list(document) == ["path", "value", "origin", "names", "maps_to", "trace"]
    assert [entry["origin"] for entry in document["trace"]] == [
        *("flag:--port", "file:conf.yaml:2", "default")
    ]


def test_faulty_settings_are_shown_and_explained_too() -> None:
    code, output, errors = run("config", "explain", "server.port", environ=FAULTY)
    assert code == 78
    assert "INVALID: must be a port from 0 to 65535" in output
    assert "portico config check shows them" in errors


def test_the_shape_of_plan() -> None:
    code, document = run_json("plan", "--engine", "granian", "--port", "9000")
    assert code == 0
    assert list(document) == ["engine", "parameters", "unsupported", "warnings", "exposures"]
    assert document["engine"] == "granian"
    assert document["parameters"]["port"] == 9000
    code, output, _ = run("plan", "--engine", "uvicorn", "--write-timeout", "9s")
    assert code == 0
    assert output.startswith("uvicorn\n")
    assert "not carried out: server.write_timeout = 9.0" in output
    assert "does not survive: blocked (uvicorn does not see a blocked event loop)" in output


def test_no_report_has_a_secret() -> None:
    reports = [
        ["config", "check"],
        ["config", "show"],
        ["config", "explain", "database.uri"],
        ["config", "explain", "auth.password"],
        ["plan"],
        ["cors", "explain", "--origin", "https://a.example"],
    ]
    for report in reports:
        for chosen in ("text", "json"):
            for wrong in ({}, {"LETTA_PG_HOST": "db2"}):
                _, output, errors = run(*report, "--format", chosen, environ={**SECRETS, **wrong})
                assert "hunter2" not in output + errors
    assert "postgresql://letta:********@db" in run("config", "show", environ=SECRETS)[1]


# diff


DIFFERENT = {
    "a.yaml": "server:\n  port: 8300\n",
    "b.env": "PATH=/bin\nLETTA_PORT=8400\nLETTA_SERVER_PASSWORD=hunter2\n",
    "zero.env": "LETTA_PORT=8400\0LETTA_ENVIRONMENT=two\nlines\0",
    "lines.env": "first\nLETTA_PORT=8400\nLETTA_ENVIRONMENT=two\nlines\n",
    "faulty.yaml": "server:\n  port: x\n",
    "same.env": "LETTA_PORT=8300\n",
}


@pytest.mark.parametrize(
    ("sides", "code", "paths"),
    [
        (["a.yaml", "env:b.env"], 1, ["server.port", "auth.password"]),
        (["a.yaml", "env:same.env"], 0, []),
        (["env:zero.env", "env:lines.env"], 0, []),
        (["a.yaml", "a.yaml", "--profile", "prod"], 0, []),
    ],
)
def test_two_configurations_are_compared(sides: list[str], code: int, paths: list[str]) -> None:
    given = {"files": DIFFERENT, "environ": {"LETTA_WORKERS": "7"}}
    found, document = run_json("config", "diff", *sides, **given)
    assert (found, list(document)) == (code, paths)
    assert "hunter2" not in str(document)


def test_a_comparison_in_text() -> None:
    code, output, _ = run("config", "diff", "a.yaml", "env:b.env", files=DIFFERENT)
    assert code == 1
    assert output.splitlines()[0].split()[:4] == ["server.port", "8300", "->", "8400"]
    assert run("config", "diff", "a.yaml", "a.yaml", files=DIFFERENT)[:2] == (0, "no difference")


@pytest.mark.parametrize(
    ("side", "code", "words"),
    [
        ("faulty.yaml", 78, "faulty.yaml:\nerror[bad-value] server.port"),
        ("nope.yaml", 78, "there is no such file"),
        ("env:nope.env", 2, "nope.env cannot be read: there is no such file"),
    ],
)
def test_a_side_that_does_not_resolve_is_reported(side: str, code: int, words: str) -> None:
    found, output, errors = run("config", "diff", "a.yaml", side, files=DIFFERENT)
    assert (found, output) == (code, "")
    assert words in errors


# Documents


def test_a_template_passes_its_own_check() -> None:
    _, dotenv, _ = run("config", "template")
    _, yaml, _ = run("config", "template", "yaml")
    _, document, _ = run("config", "template", "--format", "json")
    for files in ({".env": dotenv}, {"conf.yaml": yaml}, {"conf.yaml": document}):
        assert run("config", "check", files=files) == (0, "the settings are valid", "")


def test_the_schema_and_the_reference_are_printed() -> None:
    code, document = run_json("config", "schema")
    assert code == 0
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert run("config", "docs")[1].startswith("# Settings\n")
    assert run_json("config", "docs")[1]["server.port"]["default"] == 8283


# Terminals, pipes, interruptions


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("portico config docs | head -1", 0),
        ("portico config check | true", 0),
        ("LETTA_PORT=x portico config check | true", 78),
        ("LETTA_PORT=x portico serve 2>&1 | true", 78),
        ("portico config show >&-", 0),
        ("portico version >&- 2>&-", 0),
        ("portico confg 2>&-", 2),
        ("LETTA_PORT=x portico serve 2>/dev/full", 78),
        ("LETTA_PORT=x portico config show >/dev/null 2>/dev/full", 78),
    ],
)
def test_a_reader_that_has_left_changes_no_verdict(command: str, code: int, tmp_path: Path) -> None:
    found, _, errors = shell(command, tmp_path)
    assert (found, errors) == (code, "")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    code, _, errors = shell("portico config show > /dev/full", tmp_path)
    assert code == 1
    assert errors == "portico: OSError: [Errno 28] No space left on device (--debug shows where)\n"


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    code, _, errors = shell("portico --debug config show > /dev/full", tmp_path)
    assert code == 1
    assert errors.startswith("Traceback")


@pytest.mark.parametrize("value", ["\u00fcber", "\u202e\x1b[2J", "\U0001f600"])
def test_a_terminal_without_the_characters_gets_their_escapes(value: str) -> None:
    environ = {"LETTA_ENVIRONMENT": value, "PYTHONIOENCODING": "ascii"}
    for arguments in (["show"], ["explain", "telemetry.environment"], ["check"]):
        code, output, errors = run("config", *arguments, environ=environ)
        assert code == 0
        assert (output + errors).isascii()
        assert "\x1b" not in output
    code, document = run_json("config", "show", environ=environ)
    assert document["telemetry.environment"]["value"] == value


@pytest.mark.parametrize(
    ("given", "is_coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_a_terminal_gets_colours_unless_it_wants_none(
    given: dict[str, str], is_coloured: bool, tmp_path: Path
) -> None:
    report = on_terminal(program("config", "check"), tmp_path, **FAULTY, **given)
    assert ("\x1b[1;31merror[bad-value]\x1b[0m" in report) is is_coloured
    assert ("\x1b" in report) is is_coloured


def on_terminal(command: list[str], tmp_path: Path, **given: str) -> str:
    """Run *command* with a terminal as its output; return what that was sent."""
    ours, theirs = os.openpty()
    try:
        given = environment(given, home=tmp_path)
        subprocess.run(command, stdout=theirs, env=given, cwd=tmp_path, timeout=60, check=False)
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_nothing_else_gets_colours() -> None:
    code, output, _ = run("config", "check", environ=FAULTY)
    assert code == 78
    assert "\x1b" not in output


def test_warnings_are_told_once_under_reload_too() -> None:
    with serve("--reload", environ=WARNED) as server:
        assert server.stderr.text.count("warning[unknown-key]") == 1


def test_an_interruption_is_quiet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        command = program("cors", "explain", "--origin", "https://a.example", "--url", url)
        with start(command) as process, silent.accept()[0]:
            process.popen.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert process.stderr.text.strip() == ""


# Imports: what each command needs, and no more


def imported_by(statement: str, tmp_path: Path) -> set[str]:
    program_text = f"import sys\n{statement}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program_text],
        env=environment(home=tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


RUN = "from portico.server.cli import main; sys.argv = {argv!r}; assert main() == 0"


@pytest.mark.parametrize("argv", [["portico", "--help"], ["portico", "serve", "--help"]])
def test_help_imports_nothing_heavy(argv: list[str], tmp_path: Path) -> None:
    heavy = {"environs", "marshmallow", "yaml", "quart", "trio", "hypercorn", "anyio", "structlog"}
    assert imported_by(RUN.format(argv=argv), tmp_path) & heavy == set()


def test_checking_imports_no_server(tmp_path: Path) -> None:
    heavy = {"quart", "trio", "hypercorn", "anyio", "structlog", "msgspec", "publicsuffixlist"}
    argv = ["portico", "config", "check"]
    assert imported_by(RUN.format(argv=argv), tmp_path) & heavy == set()


@pytest.mark.parametrize(
    ("package", "argv", "extra"),
    [
        ("click", ["portico"], "server"),
        ("quart", ["portico", "openapi"], "server"),
        ("granian", ["portico", "serve", "--engine", "granian", "--port", "0"], "granian"),
        ("uvloop", ["portico", "serve", "--engine", "uvicorn", "--uvloop"], "uvicorn"),
    ],
)
def test_a_missing_package_names_its_extra(
    package: str, argv: list[str], extra: str, tmp_path: Path
) -> None:
    hidden = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = {argv!r}\n"
        "from portico.server.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden],
        env=environment(home=tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"portico: {package} is not installed: pip install 'portico[{extra}]'\n"


def test_an_incomplete_installation_is_said(tmp_path: Path) -> None:
    hidden = (
        "import sys; sys.modules['portico.server.commands'] = None; sys.argv = ['portico']\n"
        "from portico.server.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden],
        env=environment(home=tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "this installation is incomplete" in done.stderr
