"""``portico healthcheck``: against real servers, against odd ones, and against none."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.server.commands.healthcheck import told
from portico.server.commands.inquiry import MAX_BODY, Answer, Endpoint, InquiryError, ask
from tests.adapters.certificates import make_certificate
from tests.servers import ENGINES, Server, run, serve

DEADLINE_S: Final = 10.0
OK: Final = b'HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{"status":"ready"}'


def check(*arguments: str, **environ: str) -> tuple[int, str]:
    """Run the command; it says everything in one line of its output."""
    code, output, errors = run("healthcheck", *arguments, environ=environ)
    assert errors == ""
    assert output.count("\n") == 0
    return code, output


@contextmanager
def answering(answer: bytes, *, hold: bool = False) -> Iterator[tuple[Endpoint, list[bytes]]]:
    """Answer one connection with exactly *answer*; keep it open if *hold*."""
    asked: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)

        def serve_one() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(answer)
                if hold:
                    done.wait(DEADLINE_S)

        server = threading.Thread(target=serve_one)
        server.start()
        try:
            yield Endpoint("127.0.0.1", listener.getsockname()[1]), asked
        finally:
            done.set()
            server.join()


def ask_plainly(endpoint: Endpoint, *, timeout_s: float = DEADLINE_S) -> Answer:
    return ask(endpoint, "/readyz", context=None, timeout_s=timeout_s)


# Real servers


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_is_found_by_the_settings_that_it_was_started_with(engine: str) -> None:
    with serve("--engine", engine) as server:
        port = server.url.rpartition(":")[2]
        by_flag = check("--port", port)
        by_variable = check("live", LETTA_PORT=port)
        by_url = check("startup", "--url", server.url)
    assert by_flag == (0, f"healthy: {server.url}/readyz answers 200 (ready)")
    assert by_variable == (0, f"healthy: {server.url}/livez answers 200 (live)")
    assert by_url == (0, f"healthy: {server.url}/startupz answers 200 (started)")


def test_a_url_with_a_path_is_asked_for_that() -> None:
    with serve() as server:
        assert check("--url", f"{server.url}/v1/health/?a=b") == (
            0,
            f"healthy: {server.url}/v1/health/?a=b answers 200 (ok)",
        )
        assert check("--url", f"{server.url}/nothing") == (
            1,
            f"unhealthy: {server.url}/nothing answers 404",
        )


def test_a_password_is_not_needed() -> None:
    with serve(environ={"LETTA_SERVER_PASSWORD": "hunter2", "LETTA_SERVER_SECURE": "1"}) as server:
        assert check("--url", server.url)[0] == 0


def test_a_server_on_a_unix_socket_is_asked_there(tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    with serve("--uds", str(path)):
        healthy = (0, f"healthy: unix:{path} /readyz answers 200 (ready)")
        assert check("--uds", str(path)) == healthy
        assert check("--url", f"unix:{path}") == healthy
        assert check(LETTA_UDS=str(path)) == healthy
    assert check("--uds", str(path)) == (
        1,
        f"unhealthy: unix:{path} /readyz: no such file or directory",
    )


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path, Path]]:
    """A server with TLS, its certificate and its key."""
    made = make_certificate(tmp_path_factory.mktemp("tls"))
    with serve("--tls-cert", str(made.cert), "--tls-key", str(made.key)) as server:
        yield server, made.cert, made.key


def test_the_own_certificate_is_for_others(certified: tuple[Server, Path, Path]) -> None:
    server, cert, key = certified
    port = server.url.rpartition(":")[2]
    own = ("--port", port, "--tls-cert", str(cert), "--tls-key", str(key))
    assert check(*own) == (0, f"healthy: https://127.0.0.1:{port}/readyz answers 200 (ready)")
    assert check(*own, "--ca", str(cert))[0] == 0


def test_the_certificate_of_a_url_is_verified(
    certified: tuple[Server, Path, Path], tmp_path: Path
) -> None:
    server, cert, _ = certified
    code, line = check("--url", server.url)
    assert code == 1
    assert "its certificate is not trusted: self" in line
    assert check("--url", server.url, "--ca", str(cert))[0] == 0
    assert check("--url", server.url.replace("127.0.0.1", "localhost"), "--ca", str(cert))[0] == 0
    assert check("--url", server.url, "--insecure")[0] == 0
    stranger = make_certificate(tmp_path, "stranger")
    assert check("--url", server.url, "--ca", str(stranger.cert))[0] == 1


def test_http_and_https_are_not_mistaken_for_each_other(
    certified: tuple[Server, Path, Path],
) -> None:
    server, _, _ = certified
    assert check("--url", server.url.replace("https", "http"))[0] == 1
    with serve() as plain:
        assert check("--url", plain.url.replace("http", "https"), "--insecure")[0] == 1


def test_a_server_that_asks_for_certificates_is_shown_one(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(made.cert.read_text() + made.key.read_text())
    tls = ("--tls-cert", str(made.cert), "--tls-key", str(made.key), "--tls-ca", str(made.cert))
    with serve(*tls) as server:
        url = ("--url", server.url, "--ca", str(made.cert))
        assert check(*url, "--client-cert", str(both))[0] == 0
        assert check(*url)[0] == 1


# What is wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "ftp://127.0.0.1"], "is not a URL such as"),
        (["--url", "http://"], "is not a URL such as"),
        (["--url", "http://127.0.0.1:port"], "is not a URL such as"),
        (["--url", "http://127.0.0.1:0"], "is not a URL such as"),
        (["--url", "unix:"], "is not a URL such as"),
        (["--url", "http://u:hunter2@127.0.0.1"], "'***' is not a URL"),
        (["--url", "http://127.0.0.1", "--port", "80"], "--port says nothing besides --url"),
        (["--port", "0"], "server.port is 0"),
        (["--url", "https://127.0.0.1", "--ca", "none.pem"], "none.pem cannot be used: No such"),
        (["--timeout", "0"], "0.0<x<=3600.0"),
        (["well"], "'well' is not one of"),
    ],
)
def test_a_wrong_command_line_is_exit_2(arguments: list[str], words: str) -> None:
    code, output, errors = run("healthcheck", *arguments)
    assert (code, output) == (2, "")
    assert words in errors
    assert "hunter2" not in errors
    assert "Traceback" not in errors


def test_settings_with_problems_are_exit_78() -> None:
    code, output, errors = run("healthcheck", "--port", "99999")
    assert (code, output) == (78, "")
    assert "server.port: must be a port" in errors


def test_a_key_that_needs_a_password_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_text("nothing")
    path = str(tmp_path / "both.pem")
    code, _, errors = run("healthcheck", "--url", "https://127.0.0.1:1", "--client-cert", path)
    assert code == 2
    assert "both.pem cannot be used" in errors


def test_where_nobody_listens_nothing_is_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert check("--port", str(port)) == (
        1,
        f"unhealthy: http://127.0.0.1:{port}/readyz: connection refused",
    )


def test_a_silent_server_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert check("--url", url, "--timeout", "0.2") == (
            1,
            f"unhealthy: {url}/readyz: no answer within 0.2 s",
        )


# One question


def test_the_question_is_one_get() -> None:
    with answering(OK) as (endpoint, asked):
        assert ask_plainly(endpoint) == Answer(200, b'{"status":"ready"}')
    head, _, rest = asked[0].partition(b"\r\n\r\n")
    assert rest == b""
    assert head.decode().lower().splitlines() == [
        "get /readyz http/1.1",
        f"host: 127.0.0.1:{endpoint.port}",
        "user-agent: portico-healthcheck",
        "accept: application/json",
        "connection: close",
    ]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 503 Unavailable\r\n\r\nto the end", 503, b"to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b'{"status":"ready"}'),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            200,
            b"abc",
        ),
    ],
)
def test_an_answer_is_read_as_http_frames_it(answer: bytes, status: int, body: bytes) -> None:
    with answering(answer) as (endpoint, _):
        assert ask_plainly(endpoint) == Answer(status, body)


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * MAX_BODY
    with answering(endless, hold=True) as (endpoint, _):
        assert ask_plainly(endpoint).status == 200


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the answer is no HTTP"),
        (b"", "the connection was closed without an answer"),
        (OK[:-5], "the answer is no HTTP"),
    ],
)
def test_what_is_no_answer_is_told(answer: bytes, words: str) -> None:
    with answering(answer) as (endpoint, _), pytest.raises(InquiryError, match=words):
        ask_plainly(endpoint)


def test_a_handshake_that_is_none_is_told() -> None:
    with answering(OK) as (endpoint, _):
        secure = Endpoint(endpoint.host, endpoint.port, tls=True)
        with pytest.raises(InquiryError, match="no TLS with it: "):
            ask(secure, "/", context=ssl.create_default_context(), timeout_s=DEADLINE_S)


def test_a_host_that_is_unknown_is_told() -> None:
    with pytest.raises(InquiryError, match="the host is unknown"):
        ask_plainly(Endpoint("portico.invalid", 80))


def test_a_path_that_no_socket_can_have_is_told() -> None:
    with pytest.raises(InquiryError, match="too long"):
        ask_plainly(Endpoint(uds="/" + "long" * 50))


# Where, and what was said


@pytest.mark.parametrize(
    ("url", "endpoint", "shown"),
    [
        ("http://a", Endpoint("a", 80), "http://a:80/x"),
        ("https://a/", Endpoint("a", 443, tls=True), "https://a:443/x"),
        ("http://[::1]:8283", Endpoint("::1", 8283), "http://[::1]:8283/x"),
        ("http://[::]:8283", Endpoint("::1", 8283), "http://[::1]:8283/x"),
        ("http://0.0.0.0:1", Endpoint("127.0.0.1", 1), "http://127.0.0.1:1/x"),
        ("http://a:1/p/?q", Endpoint("a", 1, path="/p/?q"), "http://a:1/x"),
        ("unix:/run/p.sock", Endpoint(uds="/run/p.sock"), "unix:/run/p.sock /x"),
    ],
)
def test_a_url_names_an_endpoint(url: str, endpoint: Endpoint, shown: str) -> None:
    assert Endpoint.parse(url) == endpoint
    assert endpoint.url("/x") == shown


@given(url=st.text() | st.from_regex(r"(?:https?|unix)://?[^\n]{0,30}", fullmatch=True))
def test_any_text_is_an_endpoint_or_refused(url: str) -> None:
    with suppress(ValueError):
        endpoint = Endpoint.parse(url)
        assert endpoint.uds or (endpoint.host and 0 < endpoint.port < 65536)
        assert endpoint.path == "" or endpoint.path.startswith("/")


@given(body=st.binary(max_size=60))
def test_any_body_is_told_in_one_line(body: bytes) -> None:
    assert told(Answer(200, body)).isprintable()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"status": "ready"}', " (ready)"),
        (b'{"status": "draining", "reasons": ["draining"]}', " (draining)"),
        (b'{"status": "degraded", "reasons": ["disk", "loop_lag"]}', " (degraded: disk, loop_lag)"),
        (b'{"status": "a\\u001b[31m"}', " (a\\x1b[31m)"),
        (b'{"status": "s", "reasons": 5}', " (s)"),
        (b'{"status": 5}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b"\xff", ""),
    ],
)
def test_a_body_is_told_as_far_as_it_is_a_probes(body: bytes, words: str) -> None:
    assert told(Answer(200, body)) == words
