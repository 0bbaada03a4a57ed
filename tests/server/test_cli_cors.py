"""``portico cors explain``: the policy of the settings, and a running server's answers."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from portico.core.cors import CorsConfig, CorsPolicy
from portico.core.events import RequestHead
from portico.server.commands.probe import Answer, ProbeError, ask, parse_url
from portico.server.commands.running import RunningServer
from tests.servers import run

FILES = {
    "conf.yaml": "cors:\n  preflight_failure: deny\n  methods: [PUT]\n"
    "  extra_origins: [https://good.example]\n"
}
EVIL = ("cors", "explain", "--origin", "https://evil.example", "--method", "PUT")
GOOD = ("cors", "explain", "--origin", "https://good.example", "--method", "PUT")


def test_a_refused_request_is_explained_with_the_setting_to_change() -> None:
    code, output, errors = run(*EVIL, "--header", "X-Trace", "--credentials", files=FILES)
    assert (code, errors) == (1, "")
    assert (
        output
        == """\
blocked at the preflight
  a browser on https://evil.example sends OPTIONS first, because PUT is not safelisted
  the server answers 403 without Access-Control-Allow-Origin       reason: origin_not_allowed
  the browser reports PreflightMissingAllowOriginHeader
  to allow it: add https://evil.example to cors.extra_origins (ACCEPTABLE_ORIGINS), now: \
conf.yaml:4"""
    )


def test_an_allowed_request_is_exit_0() -> None:
    code, output, _ = run(*GOOD, "--header", "X-Trace: 1", "--credentials", files=FILES)
    assert code == 0
    assert output.startswith("allowed\n")


def test_the_shape_of_an_explanation() -> None:
    code, output, _ = run(*EVIL, "--format", "json", files=FILES)
    document = json.loads(output)
    assert code == 1
    assert {
        *("verdict", "stage", "browser_error", "reason", "preflight", "actual", "settings")
    } <= set(document)
    assert document["verdict"] == "blocked"
    assert document["stage"] == "preflight"
    assert document["actual"] is None
    assert document["settings"] == [
        {
            "path": "cors.extra_origins",
            "value": ["https://good.example"],
            "origin": "file:conf.yaml:4",
        }
    ]


def test_no_origins_are_no_cors() -> None:
    environ = {"LETTA_CORS_ORIGINS": "[]"}
    code, output, _ = run("cors", "explain", "--origin", "https://a.example", environ=environ)
    assert code == 1
    assert output.startswith("blocked at the answer\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "A B"], "neither a method nor a header name"),
        (["--header", "X Y"], "neither a method nor a header name"),
        (["--url", "ftp://a"], "is not a URL"),
        (["--url", "http://"], "is not a URL"),
        (["--url", "http://a:x/"], "is not a URL"),
        (["--url", "http://a/\n"], "is not a URL"),
    ],
)
def test_what_cannot_be_asked_is_exit_2(arguments: list[str], words: str) -> None:
    code, output, errors = run("cors", "explain", "--origin", "https://a.example", *arguments)
    assert (code, output) == (2, "")
    assert words in " ".join(errors.split())


# A running server


@contextmanager
def answering(status: int, headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Answer every request in the same way; give the URL, and the methods that were asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(self.command)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    for method in ("GET", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/health/", asked
        finally:
            server.shutdown()
            thread.join()


PERMISSIVE = {
    "Access-Control-Allow-Origin": "https://evil.example",
    "Access-Control-Allow-Methods": "GET,HEAD,POST,PUT",
    "Vary": "Accept, Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
}


def test_the_verdict_is_the_running_server_s_and_what_differs_is_named() -> None:
    with answering(204, PERMISSIVE) as (url, asked):
        code, output, _ = run(*EVIL, "--url", url, files=FILES)
    assert code == 1
    assert output.startswith("allowed\n")
    assert f"asked {url}, GET in place of PUT" in output
    assert "OPTIONS: the policy answers 403, the server 204" in output
    assert (
        "access-control-allow-origin is nothing by the policy, https://evil.example from the server"
    ) in output
    assert asked == ["OPTIONS", "GET"]


def test_a_server_that_answers_as_the_policy_agrees() -> None:
    headers = {"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
    with answering(403, headers) as (url, asked):
        code, output, _ = run(*EVIL, "--url", url, "--format", "json", files=FILES)
    document = json.loads(output)
    assert code == 1
    assert (document["url"], document["differences"]) == (url, [])
    assert document["verdict"] == "blocked"
    assert asked == ["OPTIONS"]


def test_an_allowed_request_that_agrees_is_exit_0() -> None:
    headers = {
        "Access-Control-Allow-Origin": "https://good.example",
        "Access-Control-Allow-Credentials": "true",
        "Vary": "accept-encoding, ORIGIN",
    }
    arguments = ("cors", "explain", "--origin", "https://good.example", "--credentials")
    with answering(200, headers) as (url, _):
        code, output, _ = run(*arguments, "--url", url, files=FILES)
    assert code == 0
    assert "its answers are those of the policy here" in output


def test_a_server_that_is_not_there_is_exit_1() -> None:
    code, output, errors = run(*GOOD, "--url", "http://127.0.0.1:1/", files=FILES)
    assert (code, output) == (1, "")
    assert errors.startswith("portico: http://127.0.0.1:1/ could not be asked: ")


# Probing


def test_the_target_is_path_and_query() -> None:
    with answering(200, {"X-Two": "1"}) as (url, _):
        answer = ask(parse_url(f"{url}?a=1"), "GET", [("origin", "https://a.example")])
    assert answer.status == 200
    assert ("x-two", "1") in answer.headers
    assert isinstance(answer, Answer)


def test_a_server_that_does_not_answer_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ProbeError, match=r"did not answer within 0\.05 s"):
            ask(parse_url(url), "GET", [], timeout_s=0.05)


@pytest.mark.parametrize("reply", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"a" * 70000])
def test_what_is_not_http_is_said(reply: bytes) -> None:
    def answer(silent: socket.socket) -> None:
        with silent.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        thread = threading.Thread(target=answer, args=(silent,))
        thread.start()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(ProbeError, match="could not be asked"):
            ask(parse_url(url), "GET", [])
        thread.join()


def test_a_server_s_bytes_do_not_reach_the_terminal() -> None:
    policy = CorsPolicy.compile(CorsConfig(origins=("https://a.example",)))
    headers: dict[str, Any] = {"Access-Control-Allow-Origin": "\x1b[2J"}
    head = RequestHead("GET", b"/", b"", [(b"origin", b"https://a.example")])
    with answering(200, headers) as (url, _):
        server = RunningServer(parse_url(url), policy)
        server.decide(head)
    assert any("\\x1b[2J from the server" in difference for difference in server.differences)
    assert "\x1b" not in str(server.differences)
