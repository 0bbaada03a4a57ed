"""The WSGI shell, between PEP 3333's validator on both of its sides."""

import gzip
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from wsgiref.validate import validator

import pytest

from portico.adapters.asgi_call import NoAnswerError, current_exchange
from portico.adapters.codings import OFFERED
from portico.adapters.environ import read_environ
from portico.adapters.wsgi import ENVIRON_KEY, WsgiPolicy
from portico.core.access import AccessRecord
from portico.core.events import Respond, ResponseHead
from portico.core.pipeline import Question
from portico.core.policy import Policy
from portico.core.settings import Settings, build

ORIGIN = "http://localhost:3000"
TEXT = ("Content-Type", "text/plain")


@dataclass
class Server:
    """A WSGI server in memory."""

    policy: Policy = field(default_factory=lambda: Policy.compile(Settings()))
    find: Callable[[Any], object] | None = None
    records: list[AccessRecord] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    write: Callable[[bytes], object] | None = None
    time: float = 0.0

    def front(self, app: Any) -> WsgiPolicy:
        return WsgiPolicy(
            app,
            self.policy,
            on_record=self.records.append,
            on_error=lambda error, exchange: self.errors.append(error),
            find=self.find,
            clock=lambda: self.time,
        )

    def start(self, status: str, headers: Any, exc_info: object = None) -> Any:
        self.status, self.headers = status, headers
        return self.write or self.written.append

    def serve(self, app: Any, body: bytes = b"", *, checked: bool = True, **environ: Any) -> bytes:
        front = self.front(validator(app) if checked else app)
        pieces: Any = validator(front)(environ_of(body, **environ), self.start)
        try:
            sent = b"".join(pieces)
        finally:
            pieces.close()
        assert front.in_flight == 0
        assert current_exchange.get() is None
        return b"".join(self.written) + sent

    @property
    def record(self) -> dict[str, Any]:
        (record,) = self.records
        return dict(record.fields())

    def header(self, name: str) -> str | None:
        return {key.lower(): value for key, value in self.headers}.get(name)


def environ_of(body: bytes = b"", **more: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a",
        "QUERY_STRING": "",
        "SERVER_NAME": "api.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "api.test",
        "HTTP_ORIGIN": ORIGIN,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **more,
    }


def answering(*pieces: bytes, status: str = "200 OK", headers: Any = (TEXT,)) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return list(pieces)

    return app


def never(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise AssertionError("the application was called")


def test_an_answer_gets_its_headers_and_its_record() -> None:
    server = Server()
    assert server.serve(answering(b"one ", b"", b"two")) == b"one two"
    assert server.status == "200 OK"
    assert server.header("access-control-allow-origin") == ORIGIN
    record = server.record
    assert (record["outcome"], record["response_bytes"]) == ("completed", 7)
    assert record["client.address"] == "192.0.2.1"


def test_a_refusal_is_given_without_the_application() -> None:
    server = Server()
    body = server.serve(never, PATH_INFO="/v1/admin/x")
    assert server.status == "403 Forbidden"
    assert b"password" in body
    assert server.record["reason"] == "password_not_configured"


def test_a_preflight_is_answered() -> None:
    server = Server()
    asked: dict[str, Any] = {
        "REQUEST_METHOD": "OPTIONS",
        "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "PUT",
    }
    assert server.serve(never, **asked) == b""
    assert server.status == "204 No Content"


def test_the_application_finds_its_exchange() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        exchange = current_exchange.get()
        assert exchange is not None
        assert environ[ENVIRON_KEY] is exchange
        exchange.route = "/{name}"
        return answering(b"ok")(environ, start_response)

    server = Server()
    server.serve(app)
    assert server.record["http.route"] == "/{name}"


def test_the_body_of_head_stays_here() -> None:
    server = Server()
    assert server.serve(answering(b"abc"), checked=False, REQUEST_METHOD="HEAD") == b""
    assert server.record["response_bytes"] == 0


def test_what_the_application_raises_becomes_a_500() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        raise LookupError("secret")
        yield b""

    for broken in (app, lambda environ, start: list(app(environ, start))):
        server = Server()
        body = server.serve(broken, checked=False)
        assert server.status.startswith("500")
        assert b"secret" not in body
        assert server.header("access-control-allow-origin") == ORIGIN
        assert server.record["reason"] == "unhandled_exception"
        assert [type(error) for error in server.errors] == [LookupError]


def test_what_is_raised_in_the_middle_breaks_the_answer_off() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b"half"
        raise LookupError("secret")

    server = Server()
    with pytest.raises(LookupError):
        server.serve(app)
    assert server.record["outcome"] == "error"


def test_an_application_that_gives_no_answer_is_a_500() -> None:
    server = Server()
    server.serve(lambda environ, start: [], checked=False)
    assert server.record["reason"] == "no_answer"
    assert [type(error) for error in server.errors] == [NoAnswerError]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("999 No", [TEXT]),
        ("abc", [TEXT]),
        ("200 OK", [("X-Split", "a\r\nb: c")]),
        ("200 OK", [("X-Name", "\u2028")]),
        ("200 OK", [("X Name", "a")]),
    ],
)
def test_an_answer_that_http_does_not_allow_is_replaced(status: str, headers: Any) -> None:
    server = Server()
    server.serve(answering(b"abc", status=status, headers=headers), checked=False)
    assert server.status.startswith("500")
    assert server.record["reason"] == "invalid_response"
    assert len(server.errors) == 1


def test_the_body_is_counted_however_it_is_read() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        parts = [body.read(2), body.readline(), *body.readlines(1), *body, body.read(5)]
        return answering(b"".join(parts))(environ, start_response)

    server = Server()
    assert server.serve(app, b"abc\nd\ne\nf") == b"abc\nd\ne\nf"
    assert server.record["request_bytes"] == 9


@pytest.mark.parametrize("caught", [False, True])
def test_a_body_over_its_bound_is_refused_whatever_the_application_does(caught: bool) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read(100)
        except OSError:
            if not caught:
                raise
        return answering(b"mine")(environ, start_response)

    server = Server(Policy.compile(build({"server.max_body": 10})))
    body = server.serve(app, b"x" * 11)
    assert server.status.startswith("413")
    assert b"mine" not in body
    assert server.header("connection") is None  # PEP 3333 leaves the connection to the server
    assert server.record["reason"] == "body_too_large"
    assert server.errors == []


def test_a_body_that_breaks_off_is_a_400() -> None:
    class Broken(io.BytesIO):
        def read(self, *size: int | None) -> bytes:
            raise OSError("lost")

    server = Server()
    environ: dict[str, Any] = {"wsgi.input": Broken()}
    server.serve(lambda environ, start: environ["wsgi.input"].read(3), checked=False, **environ)
    assert server.record["reason"] == "body_broken"


def test_write_sends_at_once() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [TEXT])
        write(b"one ")
        assert server.written == [b"one "]
        return [b"two"]

    server = Server()
    assert server.serve(app) == b"one two"
    assert server.record["response_bytes"] == 7


def test_a_lost_client_in_write_is_seen() -> None:
    def lose(data: bytes) -> None:
        raise OSError("gone")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])(b"one")
        return []

    server = Server(write=lose)
    server.serve(app)
    assert server.record["outcome"] == "client_disconnected"
    assert server.errors == []


def test_an_error_handler_may_replace_the_head_until_it_has_left() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])
        try:
            raise LookupError("mended")
        except LookupError:
            start_response("503 Later", [TEXT], sys.exc_info())
        return [b"later"]

    server = Server()
    assert server.serve(app) == b"later"
    assert server.status == "503 Service Unavailable"

    def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b"half"
        try:
            raise LookupError("too late")
        except LookupError:
            start_response("503 Later", [TEXT], sys.exc_info())

    with pytest.raises(LookupError, match="too late"):
        Server().serve(late)


def test_two_heads_without_an_error_are_the_applications_fault() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])
        start_response("200 OK", [TEXT])
        return []

    server = Server()
    server.serve(app, checked=False)
    assert server.record["reason"] == "unhandled_exception"


class Closing:
    """An iterable that must be closed."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self.pieces, self.error, self.closed = iter(pieces), error, 0

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        self.closed += 1
        if self.error:
            raise self.error


def test_the_applications_iterable_is_closed_once() -> None:
    for error in (None, LookupError("in close")):
        pieces = Closing(b"a", b"b", error=error)
        server = Server()

        def app(
            environ: dict[str, Any], start_response: Any, pieces: Closing = pieces
        ) -> Iterable[bytes]:
            start_response("200 OK", [TEXT])
            return pieces

        assert server.serve(app, checked=False) == b"ab"
        assert pieces.closed == 1
        assert server.errors == ([error] if error else [])
        assert server.record["outcome"] == "completed"


def test_a_client_that_leaves_is_seen_by_the_close() -> None:
    server = Server()
    answer = server.front(answering(b"one", b"two"))(environ_of(), server.start)
    assert next(answer) == b"one"
    answer.close()
    answer.close()
    assert server.record["outcome"] == "client_disconnected"


def test_what_takes_too_long_is_a_504_or_breaks_off() -> None:
    server = Server(Policy.compile(build({"server.request_timeout": 1.0})))

    def slow(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", kind)])
        for piece in pieces:
            yield piece
            server.time += 2.0

    kind, pieces = "text/plain", [b"", b"late"]
    server.serve(slow)
    assert server.status.startswith("504")
    assert server.records.pop().fields()["reason"] == "request_timeout"
    pieces = [b"one", b"two"]
    with pytest.raises(TimeoutError):
        server.serve(slow)
    assert server.records.pop().fields()["outcome"] == "error"
    kind = "text/event-stream"
    assert server.serve(slow) == b"onetwo"


class Asking:
    """A stage that asks."""

    name = "asking"
    reads: frozenset[bytes] = frozenset()
    settings: tuple[str, ...] = ()
    refusals = ()

    def request(self, exchange: Any) -> Question:
        return Question("who?", lambda exchange, result: self.judge(result))

    def judge(self, result: object) -> Respond | None:
        return (
            None
            if result == "friend"
            else Respond(ResponseHead(403, [(b"content-type", b"text/plain")]), b"no")
        )


def test_what_a_stage_asks_is_found_out() -> None:
    policy = Policy.compile(Settings())
    asking = replace(
        policy,
        pipeline=replace(policy.pipeline, stages=(*policy.pipeline.stages, Asking())),
    )
    assert Server(asking, find=lambda ask: "friend").serve(answering(b"ok")) == b"ok"
    assert Server(asking, find=lambda ask: "foe").serve(never, checked=False) == b"no"
    nobody = Server(asking)
    nobody.serve(never)
    assert isinstance(nobody.errors[0], LookupError)
    assert nobody.record["outcome"] == "error"


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"PATH_INFO": "/a b"}, b"/a%20b"),
        ({"PATH_INFO": "/a b", "REQUEST_URI": "/%61%20b?x"}, b"/%61%20b"),
        ({"PATH_INFO": "/a b", "RAW_URI": "http://host/a%20b"}, b"/a%20b"),
        ({"PATH_INFO": "/served", "REQUEST_URI": "/livez"}, b"/served"),
        ({"SCRIPT_NAME": "/app", "PATH_INFO": "/x", "RAW_URI": "/app/x"}, b"/app/x"),
        ({"PATH_INFO": "/\xc3\xa9"}, b"/%C3%A9"),
    ],
)
def test_the_path_that_is_judged_is_the_one_that_is_served(
    environ: dict[str, Any], path: bytes
) -> None:
    assert read_environ(environ_of(**environ)).path == path


def test_headers_come_back_as_far_as_wsgi_kept_them() -> None:
    head = read_environ(
        environ_of(CONTENT_TYPE="a/b", CONTENT_LENGTH="", HTTP_USER_ID="u", HTTP_X_A="\xe9, b")
    )
    assert dict(head.headers) == {
        b"host": b"api.test",
        b"origin": ORIGIN.encode(),
        b"content-type": b"a/b",
        b"user_id": b"u",
        b"x-a": b"\xe9, b",
    }
    assert read_environ(environ_of(SERVER_PROTOCOL="HTTP/1.0")).http_version == "1.0"


def test_a_body_leaves_in_the_coding_that_the_policy_chose() -> None:
    long = b"many words " * 500
    server = Server(Policy.compile(Settings(), codings=OFFERED))
    body = server.serve(answering(long, b"end"), HTTP_ACCEPT_ENCODING="gzip")
    assert server.header("content-encoding") == "gzip"
    assert gzip.decompress(body) == long + b"end"
    assert server.record["response_bytes"] == len(body)
