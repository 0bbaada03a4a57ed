"""The RSGI shell, its server in memory; tests/adapters/test_examples.py has it on Granian."""

import asyncio
import gzip
from typing import Any

import pytest

from portico.adapters.asgi_call import current_exchange
from portico.adapters.codings import OFFERED
from portico.adapters.rsgi import RsgiPolicy
from portico.core.access import AccessRecord
from portico.core.events import RequestHead
from portico.core.policy import Policy
from portico.core.settings import Settings, build
from portico.testing import Request
from tests.adapters.clients import Protocol, rsgi_scope_of

TEXT = [("content-type", "text/plain")]
LONG = b"many words " * 500


class Served:
    """One request through the shell, and what came of it."""

    def __init__(
        self,
        app: Any,
        *,
        policy: Policy | None = None,
        protocol: Protocol | None = None,
        method: str = "GET",
        kind: Any = "http",
        path: bytes = b"/a",
    ) -> None:
        self.records: list[AccessRecord] = []
        self.errors: list[Exception] = []
        self.protocol = protocol or Protocol()
        front = RsgiPolicy(
            app,
            policy or Policy.compile(Settings()),
            on_record=self.records.append,
            on_error=lambda error, exchange: self.errors.append(error),
        )
        headers = [(b"host", b"a.test"), (b"accept-encoding", b"gzip")]
        request = Request(RequestHead(method, path, b"", headers, kind), (), "::1")
        asyncio.run(front.__rsgi__(rsgi_scope_of(request), self.protocol))
        assert front.in_flight == 0

    @property
    def record(self) -> dict[str, Any]:
        (record,) = self.records
        return dict(record.fields())


def coding() -> Policy:
    return Policy.compile(Settings(), codings=OFFERED)


async def whole(scope: Any, protocol: Any) -> None:
    protocol.response_str(200, TEXT, LONG.decode())


async def stream(scope: Any, protocol: Any) -> None:
    transport = protocol.response_stream(200, TEXT)
    await transport.send_bytes(LONG[:700])
    await transport.send_str(LONG[700:].decode())


@pytest.mark.parametrize("app", [whole, stream])
def test_a_body_leaves_whole_plain_or_coded(app: Any) -> None:
    assert Served(app).protocol.body == LONG
    served = Served(app, policy=coding())
    assert ("content-encoding", "gzip") in served.protocol.headers
    assert gzip.decompress(served.protocol.body) == LONG
    assert served.record["response_bytes"] == len(served.protocol.body)


def test_a_file_is_the_engines_to_send_and_never_coded(tmp_path: Any) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes(LONG)

    async def app(scope: Any, protocol: Any) -> None:
        protocol.response_file(200, TEXT, str(file))

    async def part(scope: Any, protocol: Any) -> None:
        protocol.response_file_range(206, TEXT, str(file), 2, 12)

    served = Served(app, policy=coding())
    assert served.protocol.body == str(file).encode()
    assert "content-encoding" not in dict(served.protocol.headers)
    assert served.record["response_bytes"] == len(LONG)
    assert Served(part, policy=coding()).record["response_bytes"] == 10


async def empty(scope: Any, protocol: Any) -> None:
    protocol.response_empty(204, [])


def test_an_empty_answer_is_completed_once() -> None:
    async def twice(scope: Any, protocol: Any) -> None:
        assert current_exchange.get() is not None
        await empty(scope, protocol)
        await whole(scope, protocol)

    served = Served(twice)
    assert (served.protocol.status, served.protocol.body) == (204, b"")
    assert served.record["client.address"] == "::1"


async def broken(scope: Any, protocol: Any) -> None:
    raise LookupError("secret")


async def silent(scope: Any, protocol: Any) -> None:
    return


async def unsendable(scope: Any, protocol: Any) -> None:
    protocol.response_empty(999, [])


async def nameless(scope: Any, protocol: Any) -> None:
    protocol.response_bytes(200, [("x-a", "\u2028")], b"abc")


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (broken, "unhandled_exception"),
        (silent, "no_answer"),
        (unsendable, "invalid_response"),
        (nameless, "invalid_response"),
    ],
)
def test_an_application_that_breaks_its_contract_is_a_500(app: Any, reason: str) -> None:
    served = Served(app)
    assert served.protocol.status == 500
    assert b"secret" not in served.protocol.body
    assert (served.record["outcome"], served.record["reason"]) == ("error", reason)
    assert len(served.errors) == 1


def test_a_stream_that_fails_is_recorded_as_an_error() -> None:
    async def app(scope: Any, protocol: Any) -> None:
        await stream(scope, protocol)
        raise LookupError("late")

    assert Served(app).record["outcome"] == "error"


def test_a_client_that_leaves_is_seen() -> None:
    served = Served(stream, protocol=Protocol(lost=True))
    assert (served.record["outcome"], served.errors) == ("client_disconnected", [])

    async def reading(scope: Any, protocol: Any) -> None:
        await protocol()

    served = Served(reading, protocol=Protocol((b"a",), lost=True))
    assert served.record["reason"] == "body_broken"


def test_a_body_over_its_bound_is_refused_whatever_the_application_does() -> None:
    async def app(scope: Any, protocol: Any) -> None:
        with pytest.raises(OSError, match="refused"):
            await protocol()
        await whole(scope, protocol)

    policy = Policy.compile(build({"server.max_body": 10}))
    served = Served(app, policy=policy, protocol=Protocol((b"x" * 6, b"x" * 6)))
    assert (served.protocol.status, served.record["reason"]) == (413, "body_too_large")


def test_what_takes_too_long_is_a_504() -> None:
    async def app(scope: Any, protocol: Any) -> None:
        await asyncio.get_running_loop().create_future()

    served = Served(app, policy=Policy.compile(build({"server.request_timeout": 0.01})))
    assert (served.protocol.status, served.record["reason"]) == (504, "request_timeout")


def test_a_websocket_is_opened_and_counted() -> None:
    async def app(scope: Any, protocol: Any) -> None:
        transport = await protocol.accept()
        message = await transport.receive()
        await transport.send_bytes(message.data)
        await transport.send_str("\u20ac")
        protocol.close()

    served = Served(app, kind="websocket")
    assert (served.protocol.status, served.protocol.body) == (101, b"abc\xe2\x82\xac")
    record = served.record
    assert (record["request_bytes"], record["response_bytes"]) == (3, 6)
    refused = Served(app, kind="websocket", path=b"/v1/admin")
    assert refused.protocol.status == 403
    assert refused.record["outcome"] == "refused"


def test_a_websocket_may_be_refused_by_the_application() -> None:
    async def app(scope: Any, protocol: Any) -> None:
        protocol.close(404)

    served = Served(app, kind="websocket")
    assert (served.protocol.status, served.record["http.response.status_code"]) == (404, 404)


def test_the_application_begins_and_ends_with_its_server() -> None:
    class App:
        seen: tuple[str, ...] = ()

        def __rsgi_init__(self, loop: object) -> None:
            self.seen += ("init",)

        def __rsgi_del__(self, loop: object) -> None:
            self.seen += ("del",)

        async def __rsgi__(self, scope: Any, protocol: Any) -> None:
            await whole(scope, protocol)

    app = App()
    front = RsgiPolicy(app, Policy.compile(Settings()))
    front.__rsgi_init__(None)
    front.__rsgi_del__(None)
    assert app.seen == ("init", "del")
    assert Served(app).protocol.body == LONG
