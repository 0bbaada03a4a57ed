"""Static files from real directories: what is served, what never is, and nothing left open."""

import asyncio
import gzip
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from email.parser import BytesParser
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from starlette.applications import Starlette
from starlette.routing import Mount

from portico.adapters.files import DirectoryLostError, ShrunkError
from portico.adapters.static import PIECE_BYTES, StaticFiles
from portico.core.access import Outcome
from tests.adapters.asgi_engine import Engine, backends, http

LARGE = os.urandom(3 * PIECE_BYTES + 17)
SECRET = b"outside"
DEADLINE_S = 10.0


def later() -> float:
    """A clock by which every file of the test is old enough for strong validators."""
    return time.time() + 100


@dataclass
class Client:
    """Asks the application as an engine would; *on_piece* is called at each piece of a body."""

    app: object
    backend: str = "asyncio"
    on_piece: object = lambda at: None
    leaves: bool = False
    sent: list = field(default_factory=list)
    gone: anyio.Event | None = None

    def get(self, path, *headers, method="GET", raw=None, **scope):
        lines = [(name.encode(), value.encode()) for name, value in headers]
        more = {"headers": lines, "raw_path": raw or path.encode("latin-1", "ignore"), **scope}
        anyio.run(self._run, http(path, method, **more), backend=self.backend)
        return self

    async def _run(self, scope):
        self.sent, self.gone = [], anyio.Event()
        await self.app(scope, self._receive, self._send)

    async def _receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        await checkpoint()
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.on_piece(len(self.sent) - 1)
            if self.leaves:
                self.gone.set()
                await anyio.sleep_forever()

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def body(self):
        assert not self.sent[-1].get("more_body", False)
        return self.received

    @property
    def received(self):
        return b"".join(message["body"] for message in self.sent[1:])

    def __getitem__(self, name):
        values = [value for key, value in self.sent[0]["headers"] if key == name.encode()]
        assert len(values) <= 1
        return values[0].decode() if values else None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "index.html").write_bytes(b"home")
    (root / "sub" / "index.html").write_bytes(b"sub")
    (root / "sub" / "deep" / "a b\xe9.txt").write_bytes(b"named")
    (root / "app.3f9a2b1c.js").write_bytes(b"x" * 2000)
    (root / "large.bin").write_bytes(LARGE)
    (root / "nothing.txt").touch()
    return root


def client(root, backend="asyncio", **options):
    return Client(StaticFiles(str(root), wall=later, **options), backend)


def descriptors(path: Path) -> int:
    """How many descriptors of this process are of *path*, also where it has been deleted."""
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(entry.readlink()))
        except FileNotFoundError:
            continue  # the descriptor by which the folder itself is read
    return sum(name.removesuffix(" (deleted)") == str(path) for name in names)


def wait_until_closed(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while descriptors(path):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


@backends
@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/", b"home", "text/html; charset=utf-8"),
        ("/index.html", b"home", "text/html; charset=utf-8"),
        ("/sub/", b"sub", "text/html; charset=utf-8"),
        ("/sub/deep/a%20b%C3%A9.txt", b"named", "text/plain; charset=utf-8"),
        ("/nothing.txt", b"", "text/plain; charset=utf-8"),
        ("/large.bin", LARGE, "application/octet-stream"),
    ],
)
def test_files(root, backend, path, body, kind):
    answer = client(root, backend).get(path)
    assert (answer.status, answer.body, answer["content-type"]) == (200, body, kind)
    assert answer["content-length"] == str(len(body))
    etag = answer["etag"]
    assert etag.startswith('"')
    answer.get(path, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert (answer["content-length"], answer["etag"]) == (str(len(body)), etag)
    assert descriptors(root / "large.bin") == 0


def test_no_piece_is_larger_than_what_is_held_at_once(root):
    answer = client(root).get("/large.bin")
    sizes = [len(message["body"]) for message in answer.sent[1:]]
    assert sizes == [PIECE_BYTES] * 3 + [17, 0]


@backends
def test_nothing_but_regular_files_below_the_directory(root, tmp_path, backend):
    (root / ".env").write_bytes(SECRET)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(SECRET)
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "inside.txt").symlink_to(root / "index.html")
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        for path in (
            *("/.env", "/%2eenv", "/.git/config", "/link.txt", "/inside.txt", "/up/secret.txt"),
            *("/up", "/up/", "/loop", "/loop/a", "/fifo", "/fifo/", "/socket", "/empty", "/empty/"),
            *("/index.html/", "/index.html/a", "/missing", "/" + "a" * 5000, "/a" * 5000),
        ):
            answer = client(root, backend).get(path)
            assert (path, answer.status) == (path, 404)
            assert answer["content-type"] == "application/problem+json"
            assert SECRET not in answer.body
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_bytes(b"Contact")
    assert client(root, backend).get("/.well-known/security.txt").body == b"Contact"


@pytest.mark.parametrize("name", ["null", "zero", "full", "random", "tty"])
def test_no_device_is_served(name):
    device = Path("/dev") / name
    assert device.exists()
    assert not device.is_file()
    assert client("/dev").get(f"/{name}").status == 404


UPWARDS = ("..", "%2e%2e", "%2E.", ".%2e", "..;", "%252e%252e", "..%00", "%c0%ae%c0%ae", "．．")
SLASHES = ("/", "//", "/./", "%2f", "%2F", "%5c", "\\", "/\\", "%252f", "%c0%af")


@pytest.mark.parametrize("up", UPWARDS)
def test_no_path_leads_out(root, up):
    asked = client(root)
    for slash in SLASHES:
        for start in ("/", "/sub/", "/sub/deep/", "//"):
            for depth in (1, 2, 3):
                path = start + (up + slash) * depth + "secret.txt"
                raw = path.encode()
                assert asked.get(path, raw=raw).status in (400, 404)
                assert SECRET not in asked.body


@backends
def test_other_methods(root, backend):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"):
        answer = client(root, backend).get("/", method=method)
        assert (answer.status, answer["allow"]) == (405, "GET, HEAD")


def test_a_refusal_of_head_has_no_body(root):
    answer = client(root).get("/missing", method="HEAD")
    assert (answer.status, answer.body) == (404, b"")
    assert int(answer["content-length"]) > 0


def test_a_folder_without_its_slash(root):
    answer = client(root).get("/sub", query_string=b"a=1")
    assert (answer.status, answer["location"]) == (308, "/sub/?a=1")


def test_mounted_below_a_root_path(root):
    mounted = {"root_path": "/my app"}
    answer = client(root).get("/my app/sub/", raw=b"/my%20app/sub/", **mounted)
    assert answer.body == b"sub"
    assert answer.get("/my app/sub", raw=b"/my%20app/sub", **mounted)["location"] == (
        "/my%20app/sub/"
    )
    assert answer.get("/my apple", raw=b"/my%20apple", **mounted).status == 404


def test_mounted_in_starlette(root):
    mounted = Starlette(routes=[Mount("/files", StaticFiles(str(root), wall=later))])
    assert Client(mounted).get("/files/sub/").body == b"sub"
    assert Client(mounted).get("/files/large.bin", ("range", "bytes=-9")).body == LARGE[-9:]
    assert Client(mounted).get("/files/sub")["location"] == "/files/sub/"
    assert Client(mounted).get("/files/../secret.txt").status in (400, 404)


NAVIGATION = (("accept", "text/html"), ("sec-fetch-mode", "navigate"))


@backends
def test_single_page_applications(root, backend):
    asked = client(root, backend, spa=True)
    answer = asked.get("/users/1", *NAVIGATION)
    assert (answer.status, answer.body) == (200, b"home")
    assert answer["cache-control"] == "no-cache"
    assert answer["vary"] == "Accept-Encoding, Accept, Sec-Fetch-Mode"
    held = ("if-none-match", answer["etag"])
    assert asked.get("/users/1", *NAVIGATION, held).status == 304
    assert asked.get("/empty/", *NAVIGATION).body == b"home"
    assert asked.get("/users/1", ("accept", "*/*")).status == 404
    assert asked.get("/missing.js", *NAVIGATION).status == 404
    assert asked.get("/.env", *NAVIGATION).status == 404
    assert asked.get("/users/1", *NAVIGATION, method="POST").status == 405
    assert client(root, backend).get("/users/1", *NAVIGATION).status == 404
    (root / "index.html").unlink()
    assert asked.get("/users/1", *NAVIGATION).status == 404


def test_conditions_on_a_real_file(root):
    asked = client(root).get("/app.3f9a2b1c.js")
    etag, modified = asked["etag"], asked["last-modified"]
    assert asked["cache-control"] == "max-age=31536000, immutable"
    for name, value, expected in [
        ("if-none-match", etag, 304),
        ("if-none-match", f"W/{etag}", 304),
        ("if-none-match", '"x"', 200),
        ("if-modified-since", modified, 304),
        ("if-match", etag, 200),
        ("if-match", '"x"', 412),
        ("if-unmodified-since", modified, 200),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT", 412),
    ]:
        assert asked.get("/app.3f9a2b1c.js", (name, value)).status == expected
        assert (asked.body == b"x" * 2000) is (expected == 200)
        assert (asked.body == b"") is (expected == 304)
    os.utime(root / "app.3f9a2b1c.js", ns=(0, 0))
    assert asked.get("/app.3f9a2b1c.js", ("if-none-match", etag)).status == 200


def test_the_same_size_and_time_are_not_the_same_file(root):
    path = root / "page.html"
    tags = []
    for content in (b"one", b"two"):
        other = root / "next"
        other.write_bytes(content)
        os.utime(other, ns=(0, 0))
        other.replace(path)
        tags.append(client(root).get("/page.html")["etag"])
        threading.Event().wait(0.02)  # more than one tick of the file system's clock
    assert tags[0] != tags[1]


def test_what_changed_just_now_has_a_weak_tag(root):
    asked = Client(StaticFiles(str(root)))
    (root / "new.txt").write_text("new")
    assert asked.get("/new.txt")["etag"].startswith("W/")


@backends
def test_ranges(root, backend):
    asked = client(root, backend)
    for value, span in [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=-17", slice(-17, None)),
        (f"bytes=100-{len(LARGE)}", slice(100, None)),
        ("bytes=5-9,7-20", slice(5, 21)),
    ]:
        answer = asked.get("/large.bin", ("range", value))
        assert (answer.status, answer.body) == (206, LARGE[span])
        assert answer["content-length"] == str(len(answer.body))
    answer = asked.get("/large.bin", ("range", f"bytes={len(LARGE)}-"))
    assert (answer.status, answer["content-range"]) == (416, f"bytes */{len(LARGE)}")


@backends
def test_several_ranges(root, backend):
    answer = client(root, backend).get("/large.bin", ("range", "bytes=-5,0-4,1000-200000"))
    assert answer.status == 206
    assert answer["content-length"] == str(len(answer.body))
    head = f"Content-Type: {answer['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.body)
    parts = [part.get_payload(decode=True) for part in message.get_payload()]
    assert b"".join(part[:5] for part in parts) == LARGE[:5] + LARGE[1000:1005] + LARGE[-5:]
    ranges = [part["content-range"] for part in message.get_payload()]
    size = len(LARGE)
    assert ranges == [
        f"bytes 0-4/{size}",
        f"bytes 1000-200000/{size}",
        f"bytes {size - 5}-{size - 1}/{size}",
    ]
    for span in (LARGE[:5], LARGE[1000:200_001], LARGE[-5:]):
        assert span in answer.body


@pytest.mark.parametrize(
    "value",
    [
        "bytes=" + ",".join(f"{at}-" for at in range(1000)),
        "bytes=" + ",".join(["0-"] * 1000),
        "bytes=" + ",".join(f"{at * 2}-{at * 2}" for at in range(3000)),
        "bytes=" + ",".join(["0-"] * 30),
        "bytes=" + ",".join(["-1"] * 30 + ["0-"]),
    ],
)
def test_a_range_bomb_gets_no_more_than_the_file(root, value):
    answer = client(root).get("/large.bin", ("range", value))
    assert answer.status in (200, 206)
    assert answer.body == LARGE


@backends
def test_precompressed_siblings(root, backend):
    asked = client(root, backend)
    plain, coded = b"body{}" * 500, gzip.compress(b"body{}" * 500)
    (root / "a.css").write_bytes(plain)
    for end in (".gz", ".br"):
        (root / f"a.css{end}").write_bytes(coded)
    (root / "a.css.zst").mkdir()
    seen = set()
    for accepted, coding in [
        ("gzip", "gzip"),
        ("gzip, br, zstd", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("zstd", None),
        ("identity", None),
        ("*;q=0", None),
        ("gzip;q=0", None),
    ]:
        answer = asked.get("/a.css", ("accept-encoding", accepted))
        assert (answer["content-encoding"], answer["vary"]) == (coding, "Accept-Encoding")
        assert answer.body == (plain if coding is None else coded)
        assert answer["content-type"] == "text/css; charset=utf-8"
        seen.add(answer["etag"])
        assert (
            asked.get("/a.css", ("range", "bytes=0-9"), ("accept-encoding", accepted)).body
            == (plain if coding is None else coded)[:10]
        )
    assert len(seen) == 3
    os.utime(root / "a.css.br", ns=(0, 0))
    assert asked.get("/a.css", ("accept-encoding", "br"))["content-encoding"] is None
    (root / "a.css").unlink()
    assert asked.get("/a.css", ("accept-encoding", "gzip")).status == 404


@backends
def test_a_file_that_shrinks_is_broken_off(root, backend):
    asked = client(root, backend)
    asked.on_piece = lambda at: os.truncate(root / "large.bin", PIECE_BYTES + 5)
    with pytest.raises(ShrunkError):
        asked.get("/large.bin")
    assert asked.received == LARGE[:PIECE_BYTES]
    assert asked.sent[-1]["more_body"]
    assert descriptors(root / "large.bin") == 0


@backends
def test_of_a_file_that_grows_no_more_is_sent_than_was_announced(root, backend):
    def grow(at):
        with (root / "large.bin").open("ab") as file:
            file.write(b"more")

    asked = client(root, backend)
    asked.on_piece = grow
    assert asked.get("/large.bin").body == LARGE


@backends
@pytest.mark.parametrize("change", ["unlink", "replace"])
def test_a_file_that_vanishes_is_sent_whole(root, backend, change):
    path = root / "large.bin"
    asked = client(root, backend)
    (root / "other").write_bytes(b"other")
    steps = {
        "unlink": lambda at: path.unlink(missing_ok=True),
        "replace": lambda at: (root / "other").exists() and (root / "other").replace(path),
    }
    asked.on_piece = steps[change]
    assert asked.get("/large.bin").body == LARGE
    assert descriptors(path) == 0


@backends
def test_a_client_that_leaves_leaves_nothing_open(root, backend):
    asked = client(root, backend)
    asked.leaves = True
    asked.get("/large.bin")
    assert asked.received == LARGE[:PIECE_BYTES]
    assert descriptors(root / "large.bin") == 0


@backends
def test_a_send_that_fails_leaves_nothing_open(root, backend):
    def fail(at):
        raise ConnectionResetError

    asked = client(root, backend)
    asked.on_piece = fail
    with pytest.raises(ConnectionResetError):
        asked.get("/large.bin")
    assert descriptors(root / "large.bin") == 0


@backends
def test_cancellation_leaves_nothing_open(root, backend):
    app = StaticFiles(str(root), wall=later)

    async def forever(*_):
        await anyio.sleep_forever()

    async def run():
        with anyio.move_on_after(0.05) as scope:
            await app(http("/large.bin", headers=[]), forever, forever)
        assert scope.cancel_called
        assert descriptors(root / "large.bin") == 0

    anyio.run(run, backend=backend)


def test_a_request_that_asyncio_cancels_while_its_file_is_opened_leaves_nothing_open(root):
    opened, cancelled = threading.Event(), threading.Event()

    def wall():
        opened.set()
        assert cancelled.wait(DEADLINE_S)
        return later()

    app = StaticFiles(str(root), wall=wall)

    async def nothing(*_):
        raise AssertionError("the request was over")

    async def run():
        task = asyncio.ensure_future(app(http("/large.bin", headers=[]), nothing, nothing))
        assert await asyncio.to_thread(opened.wait, DEADLINE_S)
        assert descriptors(root / "large.bin") == 1
        task.cancel()
        await asyncio.wait([task])
        cancelled.set()

    asyncio.run(run())
    wait_until_closed(root / "large.bin")


def test_the_directory_can_be_swapped(root, tmp_path):
    current, following = tmp_path / "current", tmp_path / "following"
    current.symlink_to(root)
    asked = client(current)
    assert asked.get("/").body == b"home"
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "index.html").write_bytes(b"two")
    following.symlink_to(tmp_path / "two")
    following.replace(current)
    assert asked.get("/").body == b"two"
    current.unlink()
    with pytest.raises(DirectoryLostError, match="current: No such file"):
        asked.get("/")


def test_behind_the_policy_a_refusal_names_the_request(root):
    engine = Engine().serve(StaticFiles(str(root)), http("/missing", headers=[(b"host", b"a")]))
    (request_id,) = engine.header(b"x-request-id")
    assert b'"instance":"' + request_id + b'"' in engine.sent[1]["body"]


def test_behind_the_policy_a_lost_directory_is_an_error_of_the_server(tmp_path):
    app = StaticFiles(str(tmp_path / "nowhere"))
    engine = Engine().serve(app, http("/", headers=[(b"host", b"a")]))
    assert engine.status == 500
    assert [type(error) for error in engine.errors] == [DirectoryLostError]
    assert engine.record.outcome is Outcome.ERROR


@backends
def test_lifespan_and_websockets(root, backend):
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    engine = Engine(incoming=incoming).serve(
        StaticFiles(str(root)), {"type": "lifespan"}, backend=backend
    )
    assert [message["type"] for message in engine.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    anyio.run(StaticFiles(str(root)), {"type": "websocket"}, receive, send, backend=backend)
    assert sent == ["websocket.close"]
