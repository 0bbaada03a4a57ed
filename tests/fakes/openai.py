"""An OpenAI-compatible service on a socket, which behaves and misbehaves by the model's name.

    with openai_service() as service:
        OpenAIService("fake", service.url)

Run as a program it prints its URL and serves until its standard input ends.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

KEY: Final = "sk-right"
WORDS: Final = ("One", " two", " three.")


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    server: "Listener"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.service.listings += 1
        models = [{"id": name, "object": "model"} for name in BEHAVIOURS]
        self.answer(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.service.requests.append(body)
        BEHAVIOURS[body["model"]](self)

    def answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def write(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def say(self, text: str | None, finish: str | None = None) -> None:
        self.write(json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]}))

    def wait_until_left(self) -> None:
        """Wait until the client has closed its end, and tell the test."""
        with suppress(ConnectionError):  # it left with something unread
            if self.connection.recv(1) != b"":
                return
        self.server.service.left.set()


def talk(handler: Handler, finish: str = "stop") -> None:
    handler.begin()
    for word in WORDS:
        handler.say(word)
    handler.say(None, finish)
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    handler.write(json.dumps({"choices": [], "usage": usage}))
    handler.write("[DONE]")


def hang(handler: Handler) -> None:
    """Say one word and nothing more."""
    handler.begin()
    handler.say(WORDS[0])
    handler.wait_until_left()


def cut(handler: Handler) -> None:
    handler.begin()
    handler.say(WORDS[0])


def garble(handler: Handler) -> None:
    handler.begin()
    handler.say(WORDS[0])
    handler.write('{"choices": [')


def fail_later(handler: Handler) -> None:
    handler.begin()
    handler.say(WORDS[0])
    handler.write(json.dumps({"error": {"message": "the machine is on fire"}}))


def say_nothing(handler: Handler) -> None:
    handler.begin()
    handler.say(None, "stop")
    handler.write("[DONE]")


def refuse(status: int) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        given = handler.headers.get("authorization", "").removeprefix("Bearer ")
        handler.answer(status, {"error": {"message": f"no: {given}"}})

    return answer


BEHAVIOURS: Final[Mapping[str, Callable[[Handler], None]]] = {
    "talking": talk,
    "short": lambda handler: talk(handler, "length"),
    "silent": Handler.wait_until_left,
    "hanging": hang,
    "cutting": cut,
    "malformed": garble,
    "failing-later": fail_later,
    "empty": say_nothing,
    "unauthorized": refuse(401),
    "limited": refuse(429),
    "failing": refuse(500),
}


@dataclass
class Service:
    """What the service was asked.

    Attributes:
        left: Whether a client has left before the end.
    """

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    listings: int = 0
    left: threading.Event = field(default_factory=threading.Event)


class Listener(ThreadingHTTPServer):
    """Listens on a free port."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, service: Service) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.service = service
        service.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no error."""


@contextmanager
def openai_service() -> Iterator[Service]:
    """Serve on a free port."""
    service = Service()
    with Listener(service) as listener:
        serving = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            yield service
        finally:
            listener.shutdown()
            serving.join()


if __name__ == "__main__":
    with openai_service() as program:
        print(program.url, flush=True)
        sys.stdin.read()
