"""Headless Chromium, driven over the DevTools protocol.

No page comes from the network: the driver itself answers a document asked of any origin, so that
every origin, ``https`` ones too, is real to the browser and needs neither name nor certificate.
"""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.servers import Process, start

DEADLINE_S: Final = 60.0
_BLANK_PAGE: Final = b"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"
# Local Network Access asks the user before a public page may reach 127.0.0.1; it is not CORS.
_NOT_UNDER_TEST: Final = (
    "LocalNetworkAccessChecks",
    "BlockInsecurePrivateNetworkRequests",
    "PrivateNetworkAccessSendPreflights",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "OptimizationHints",
    "MediaRouter",
    "Translate",
)
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--password-store=basic",
    "--remote-debugging-port=0",
    "--disable-features=" + ",".join(_NOT_UNDER_TEST),
)

Event = dict[str, Any]


class BrowserError(AssertionError):
    """The browser refused a command, or a script in a page threw."""


@dataclass(slots=True)
class Browser:
    """One browser process and its DevTools connection.

    Attributes:
        events: Every event that nothing has taken yet, in order, each with its ``sessionId``.
    """

    connection: Connection
    events: list[Event] = field(default_factory=list)
    _last_id: int = 0

    def send(self, method: str, params: Event, session: str | None) -> int:
        """Send a command and return its id without waiting for the answer."""
        self._last_id += 1
        message: Event = {"id": self._last_id, "method": method, "params": params}
        self.connection.send(json.dumps(message | ({"sessionId": session} if session else {})))
        return self._last_id

    def call(self, method: str, session: str | None = None, **params: Any) -> Event:
        """Send a command and return its result."""
        wanted = self.send(method, params, session)
        answer = self._receive_until(lambda message: message.get("id") == wanted)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: Event = answer["result"]
        return result

    def wait_for(self, matches: Callable[[Event], bool]) -> Event:
        """Return the first event, already come or to come, that *matches*."""
        for event in self.events:
            if matches(event):
                return event
        return self._receive_until(lambda message: "method" in message and matches(message))

    def page(self) -> "Page":
        """Open a tab with a browsing profile of its own: no cookie, no cache."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        return Page(self, attached["sessionId"])

    def _receive_until(self, matches: Callable[[Event], bool]) -> Event:
        while True:
            message: Event = json.loads(self.connection.recv(DEADLINE_S))
            if message.get("method") == "Fetch.requestPaused":
                self._serve_blank_page(message)
            elif "method" in message:
                self.events.append(message)
            if matches(message):
                return message

    def _serve_blank_page(self, paused: Event) -> None:
        answer = {
            "requestId": paused["params"]["requestId"],
            "responseCode": 200,
            "responseHeaders": [{"name": "content-type", "value": "text/html; charset=utf-8"}],
            "body": base64.b64encode(_BLANK_PAGE).decode(),
        }
        self.send("Fetch.fulfillRequest", answer, paused["sessionId"])


@dataclass(frozen=True, slots=True)
class Page:
    """One tab."""

    browser: Browser
    session: str

    def call(self, method: str, **params: Any) -> Event:
        """Send a command to this tab and return its result."""
        return self.browser.call(method, self.session, **params)

    def take_events(self, *methods: str) -> list[Event]:
        """Return this tab's events so far, those named *methods* if given, and forget them."""
        taken: list[Event] = []
        events, self.browser.events = self.browser.events, []
        for event in events:
            if event.get("sessionId") != self.session:
                self.browser.events.append(event)
            elif not methods or event["method"] in methods:
                taken.append(event)
        return taken

    def visit(self, url: str) -> None:
        """Load *url* over the network and wait until it has loaded."""
        self.call("Page.enable")
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")
        self.browser.wait_for(self._is("Page.loadEventFired"))

    def stand_on(self, origin: str) -> None:
        """Load a blank page of *origin*; ``null`` is an opaque one."""
        if origin == "null":
            return self.visit("data:text/html," + _BLANK_PAGE.decode())
        documents = {"urlPattern": "*", "resourceType": "Document"}
        self.call("Fetch.enable", patterns=[documents])
        self.visit(origin + "/")
        self.call("Fetch.disable")
        return None

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of *expression*, awaited if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def _is(self, method: str) -> Callable[[Event], bool]:
        return lambda event: event["method"] == method and event.get("sessionId") == self.session


def executable() -> str:
    """Return where Chromium is.

    Raises:
        AssertionError: It is not installed; the message has the command.
    """
    found = shutil.which("chromium")
    assert found, "these tests need Chromium: apt-get install --no-install-recommends chromium"
    return found


@contextmanager
def launch() -> Iterator[Browser]:
    """Start Chromium on an empty profile; end it on the way out."""
    # Its working directory is an empty one of its own, so the profile goes with it.
    command = [executable(), *_FLAGS, "--user-data-dir=profile", "about:blank"]
    with start(command) as process, _connected(process) as connection:
        try:
            yield Browser(connection)
        finally:
            process.kill()  # nothing of it is kept, and asking every tab to close takes seconds


@contextmanager
def _connected(process: Process) -> Iterator[Connection]:
    prefix = "DevTools listening on "
    line = process.stderr.wait_for_line(lambda text: text.startswith(prefix), DEADLINE_S)
    url = line.removeprefix(prefix)
    # No pings: their thread draws from the process's random numbers, which hypothesis watches.
    with connect(url, max_size=None, proxy=None, ping_interval=None) as connection:
        yield connection
