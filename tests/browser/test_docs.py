"""The documentation page stands on the server alone."""

import pytest

from tests.browser.chromium import Browser, Event
from tests.servers import ENGINES, serve

pytestmark = [pytest.mark.socket, pytest.mark.browser]

# Resolves once the page shows operations, or a minute later with what it shows instead.
OPERATIONS = """new Promise(resolve => {
  const count = () => document.querySelectorAll(".opblock").length;
  const settle = () => { if (count()) { observer.disconnect(); resolve(count()); } };
  const observer = new MutationObserver(settle);
  observer.observe(document, {childList: true, subtree: true});
  setTimeout(() => resolve(document.body.innerText), 60000);
  settle();
})"""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_documentation_loads_from_the_server_alone(browser: Browser, engine: str) -> None:
    with serve("--engine", engine) as server:
        page = browser.page()
        for domain in ("Network", "Log", "Runtime"):
            page.call(f"{domain}.enable")
        page.visit(server.url + "/")
        operations = page.evaluate(OPERATIONS)
        assert page.evaluate("location.pathname") == "/docs"
        events = page.take_events()
    assert isinstance(operations, int), operations
    requested = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in requested if not url.startswith((server.url, "data:"))} == set()
    assert complaints(events) == []


def complaints(events: list[Event]) -> list[str]:
    """Return what the console shows as errors, and every exception that no script caught."""
    found = []
    for event in events:
        params = event["params"]
        match event["method"]:
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                found.append(str(params["args"]))
            case "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
    return found
