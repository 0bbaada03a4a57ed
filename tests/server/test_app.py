"""The application: the same answers on both runtimes, errors as problems, nothing of Quart's."""

import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
import structlog
from anyio import to_thread
from quart import Quart, Response, abort, request
from werkzeug.exceptions import ServiceUnavailable

from portico.core.access import AccessRecord
from portico.core.settings import Settings
from portico.server.app import create_app, with_policy
from portico.server.application import Runtime
from portico.server.logs import Logs
from portico.server.output import Output
from portico.server.requests import log_context, request_id
from tests.server.asgi import Connection, Message, client, serving

pytestmark = pytest.mark.anyio

ORIGIN = "http://localhost:3000"


class OwnError(Exception):
    """What a test's handler raises."""


@pytest.fixture
def app(runtime: Runtime) -> Quart:
    """The application, with routes that misbehave."""
    return with_routes(create_app(Settings(), runtime))


def with_routes(app: Quart) -> Quart:
    add_failing_routes(app)
    add_working_routes(app)
    return app


def add_failing_routes(app: Quart) -> None:
    @app.get("/boom")
    async def boom() -> Response:
        raise OwnError("the secret is hunter2")

    @app.get("/group")
    async def group() -> Response:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(boom)
        return Response(b"")

    @app.get("/teapot")
    async def teapot() -> Response:
        abort(409, "A cup is being poured.")

    @app.get("/gone")
    async def gone() -> Response:
        abort(410)

    @app.get("/busy")
    async def busy() -> Response:
        raise ServiceUnavailable("Come back later.", retry_after=3)


def add_working_routes(app: Quart) -> None:
    @app.post("/echo")
    async def echo() -> dict[str, Any]:
        return {"received": await request.get_json(), "id": request_id()}

    @app.get("/slow/<int:pieces>")
    async def slow(pieces: int) -> Response:
        async def body() -> AsyncIterator[bytes]:
            for piece in range(pieces):
                await anyio.lowlevel.checkpoint()
                yield b"%d\n" % piece

        return app.response_class(body(), content_type="text/plain")

    @app.get("/agents/<name>")
    async def agent(name: str) -> dict[str, Any]:
        log = structlog.get_logger()
        await to_thread.run_sync(lambda: log.info("in a thread", name=name))
        return dict(log_context())


@pytest.fixture
def written(tmp_path: Any) -> Iterator[Any]:
    """What the process logs, as JSON lines."""
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    Logs(Output(descriptor), "json", log_context).configure("info")
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
    os.close(descriptor)


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    assert body["instance"] == answer.headers["x-request-id"]
    return body


@pytest.mark.parametrize("path", ["/v1/health", "/readyz", "/docs", "/openapi.json"])
async def test_a_trailing_slash_makes_no_difference_and_no_redirect(app: Quart, path: str) -> None:
    async with serving(app) as http:
        plain, slashed = [await http.get(path + end) for end in ("", "/")]
    assert (plain.status_code, slashed.status_code) == (200, 200)
    assert plain.content == slashed.content


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/nothing/", "/latest/admin/config"])
async def test_an_unknown_path_is_a_problem(app: Quart, path: str) -> None:
    async with serving(app) as http:
        body = assert_problem(await http.get(path), 404)
    assert "/openapi.json" in body["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/v1/health/", "/v1/health", "/docs", "/docs/", "/"])
async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    app: Quart, method: str, path: str
) -> None:
    async with serving(app) as http:
        answer = await http.request(method, path)
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_handshake_finds_no_page(app: Quart) -> None:
    messages: list[Message] = [{"type": "websocket.connect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/v1/nothing",
        "raw_path": b"/v1/nothing",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"portico.test")],
        "client": ("192.0.2.1", 4000),
        "extensions": {"websocket.http.response": {}},
        "subprotocols": [],
    }
    served: Any = app
    with anyio.fail_after(10):
        await served(scope, receive, send)
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 404)


@pytest.mark.parametrize("path", ["/echo", "/echo/"])
async def test_options_names_the_methods_and_has_no_content(app: Quart, path: str) -> None:
    async with serving(app) as http:
        answer = await http.options(path)
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST")
    assert answer.content == b""
    assert not {"content-type", "content-length"} & set(answer.headers)


async def test_head_has_the_head_of_get(app: Quart) -> None:
    async with serving(app) as http:
        got, headed = await http.get("/v1/health/"), await http.head("/v1/health/")
    changing = {"x-request-id"}
    assert headed.status_code == 200
    assert dict(headed.headers).keys() - changing == dict(got.headers).keys() - changing
    assert headed.headers["content-length"] == got.headers["content-length"]


async def test_an_error_says_nothing_of_what_the_server_was_doing(app: Quart, written: Any) -> None:
    async with serving(app) as http:
        answer = await http.get("/boom")
    assert_problem(answer, 500)
    assert "hunter2" not in answer.text
    assert "OwnError" not in answer.text


@pytest.mark.parametrize(("path", "raised"), [("/boom", "OwnError"), ("/group", "ExceptionGroup")])
async def test_an_error_is_logged_once_with_the_requests_identifiers(
    app: Quart, written: Any, path: str, raised: str
) -> None:
    async with serving(app) as http:
        answer = await http.get(path, headers={"x-agent-id": "a-1"})
    assert_problem(answer, 500)
    [line] = [line for line in written() if line["level"] == "error"]
    assert line["event"] == "request failed"
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["agent_id"] == "a-1"
    assert line["exception"][0]["exc_type"] == raised


async def test_debug_tells_the_traceback(runtime: Runtime, written: Any) -> None:
    telemetry = replace(Settings().telemetry, debug=True)
    app = with_routes(create_app(replace(Settings(), telemetry=telemetry), runtime))
    async with serving(app) as http:
        body = assert_problem(await http.get("/boom"), 500)
    assert "OwnError: the secret is hunter2" in body["detail"]
    assert "Traceback" in body["detail"]


async def test_a_handlers_own_words_reach_the_client(app: Quart) -> None:
    async with serving(app) as http:
        body = assert_problem(await http.get("/teapot"), 409)
    assert body["detail"] == "A cup is being poured."


async def test_an_error_without_words_is_told_by_its_name(app: Quart) -> None:
    async with serving(app) as http:
        body = assert_problem(await http.get("/gone"), 410)
    assert (body["title"], body["detail"]) == ("Gone", "Gone")


async def test_an_errors_own_headers_reach_the_client(app: Quart) -> None:
    async with serving(app) as http:
        answer = await http.get("/busy")
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "3"


async def test_json_goes_in_and_out(app: Quart) -> None:
    sent = {"text": "caf\u00e9", "number": 1.5, "list": [None, True, 2**70]}
    async with serving(app) as http:
        answer = await http.post("/echo", json=sent)
    assert answer.json() == {"received": sent, "id": answer.headers["x-request-id"]}


async def test_broken_json_is_a_problem(app: Quart) -> None:
    headers = {"content-type": "application/json"}
    async with serving(app) as http:
        assert_problem(await http.post("/echo", content=b'{"a":', headers=headers), 400)


# The answer comes before the last piece was asked for, and httpx leaves its generator behind.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_a_problem(runtime: Runtime, declared: bool) -> None:
    server = replace(Settings().server, max_body=64)
    app = with_routes(create_app(replace(Settings(), server=server), runtime))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 10

    content = b" " * 100 if declared else pieces()
    async with serving(app) as http:
        answer = await http.post(
            "/echo", content=content, headers={"content-type": "application/json"}
        )
    assert_problem(answer, 413)


async def test_a_handler_that_takes_too_long_is_cancelled(runtime: Runtime) -> None:
    server = replace(Settings().server, request_timeout=0.05)
    app = create_app(replace(Settings(), server=server), runtime)
    ended = anyio.Event()

    @app.get("/endless")
    async def endless() -> Response:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return Response(b"")

    async with serving(app) as http:
        assert_problem(await http.get("/endless"), 504)
        with anyio.fail_after(5):
            await ended.wait()


async def test_a_stream_comes_whole(app: Quart) -> None:
    async with serving(app) as http:
        answer = await http.get("/slow/100")
    assert answer.text.split() == [str(piece) for piece in range(100)]


async def test_a_plain_answer_is_two_messages(app: Quart) -> None:
    connection = Connection("/v1/health/")
    await connection.run(app)
    start, body = connection.sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    assert b"version" in body["body"]
    assert not body.get("more_body", False)


@pytest.mark.parametrize("path", ["/v1/health/", "/docs/assets/docs.js", "/nothing"])
async def test_head_has_no_content(app: Quart, path: str) -> None:
    connection = Connection(path, method="HEAD")
    await connection.run(app)
    assert [message.get("body", b"") for message in connection.sent] == [b"", b""]
    assert int(dict(connection.sent[0]["headers"])[b"content-length"]) > 0


async def test_a_client_that_leaves_ends_its_stream(runtime: Runtime) -> None:
    app = create_app(Settings(), runtime)
    ended: list[str] = []

    @app.get("/endless")
    async def endless() -> Response:
        async def body() -> AsyncIterator[bytes]:
            try:
                while True:
                    await anyio.lowlevel.checkpoint()
                    yield b"more"
            finally:
                ended.append("stream")

        return app.response_class(body(), content_type="text/plain")

    connection = Connection("/endless", leave_at=5)
    await connection.run(app)
    assert ended == ["stream"]
    assert len(connection.sent) < 100


@pytest.mark.parametrize("path", ["/nothing", "/boom", "/v1/health/"])
async def test_every_answer_carries_the_cors_headers(app: Quart, written: Any, path: str) -> None:
    async with serving(app) as http:
        answer = await http.get(path, headers={"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_log_lines_of_a_request_name_it_in_threads_too(app: Quart, written: Any) -> None:
    async with serving(app) as http:
        context = (await http.get("/agents/x", headers={"user_id": "u-1"})).json()
    [line] = [line for line in written() if line["event"] == "in a thread"]
    assert context["actor_id"] == "u-1"
    assert context.items() <= line.items()


async def test_outside_a_request_there_is_no_context() -> None:
    assert (dict(log_context()), request_id()) == ({}, "")


async def test_the_record_names_the_route(
    runtime: Runtime, capfd: pytest.CaptureFixture[str]
) -> None:
    app = with_routes(create_app(Settings(), runtime))
    async with serving(app) as http:
        await http.get("/agents/x")
        await http.get("/nothing")
    lines = capfd.readouterr().out.splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    told = [(record["url.path"], record.get("http.route")) for record in records]
    assert told == [("/agents/x", "/agents/<name>"), ("/nothing", None)]


async def test_the_index_leads_to_the_documentation(app: Quart) -> None:
    async with serving(app) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


async def test_the_documentation_is_whole_and_local(app: Quart) -> None:
    async with serving(app) as http:
        page = await http.get("/docs")
        loaded = [
            await http.get(part.partition('"')[0])
            for mark in ('src="', 'href="', 'data-openapi="')
            for part in page.text.split(mark)[1:]
        ]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert len(loaded) >= 5
    assert {answer.status_code for answer in loaded} == {200}


async def test_an_asset_that_did_not_change_is_not_sent_again(app: Quart) -> None:
    path = "/docs/assets/swagger-ui.css"
    async with serving(app) as http:
        first = await http.get(path)
        again = await http.get(path, headers={"if-none-match": first.headers["etag"]})
    assert first.headers["cache-control"] == "public, max-age=3600"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["index.css", "..%2fdocs.html", "docs.html", "LICENSE"])
async def test_no_other_file_can_be_had(app: Quart, name: str) -> None:
    async with serving(app) as http:
        assert (await http.get(f"/docs/assets/{name}")).status_code in (400, 404)


async def test_the_document_is_served(app: Quart) -> None:
    async with serving(app) as http:
        answer = await http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert "/v1/health/" in answer.json()["paths"]


async def test_the_settings_bound_the_worker_threads(runtime: Runtime) -> None:
    server = replace(Settings().server, thread_limit=7)
    async with serving(create_app(replace(Settings(), server=server), runtime)):
        assert to_thread.current_default_thread_limiter().total_tokens == 7


@pytest.mark.parametrize("host", ["", "\u00e9.test", "a..b", "[::", "portico.test:99999"])
async def test_routing_does_not_look_at_the_host(app: Quart, host: str) -> None:
    async with serving(app) as http:
        answer = await http.get("/v1/health/", headers=[(b"host", host.encode())])
    assert answer.status_code in (200, 400, 421)


async def test_a_query_that_is_no_utf8_is_no_failure(app: Quart) -> None:
    async with serving(app) as http:
        assert (await http.get("/v1/health/?a=%ff")).status_code == 200


@pytest.mark.parametrize("root_path", ["/portico"])
async def test_behind_a_prefix_the_documentation_finds_its_parts(
    app: Quart, root_path: str
) -> None:
    async with client(app, root_path=root_path) as http:
        index = await http.get(root_path + "/")
        page = await http.get(root_path + "/docs")
    assert index.headers["location"] == f"{root_path}/docs"
    assert f'src="{root_path}/docs/assets/swagger-ui-bundle.js"' in page.text


async def test_any_application_can_stand_behind_the_policy() -> None:
    records: list[AccessRecord] = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"other"})

    app: Any = with_policy(other, Settings(), on_record=records.append)
    async with client(app) as http:
        answer = await http.get("/any/path", headers={"origin": ORIGIN})
    assert (answer.status_code, answer.text) == (200, "other")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert [record.status for record in records] == [200]


async def test_an_error_of_another_application_is_logged_and_answered(written: Any) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise OwnError("the secret is hunter2")

    app: Any = with_policy(broken, Settings(), on_record=lambda _: None)
    async with client(app) as http:
        answer = await http.get("/any/path")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    [line] = [line for line in written() if line["level"] == "error"]
    assert line["exception"][0]["exc_type"] == "OwnError"
    assert line["request_id"] == answer.headers["x-request-id"]


async def test_a_client_that_has_the_document_gets_304(app: Quart) -> None:
    async with serving(app) as http:
        tag = (await http.get("/openapi.json")).headers["etag"]
        again = await http.get("/openapi.json", headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
