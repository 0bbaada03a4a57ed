"""Perform fetches in a page and report what the browser made of each."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.browser.chromium import Event, Page
from tests.browser.matrix import Fetch

AT_ONCE: Final = 16
_NUMBER: Final = re.compile(r"[?&]number=(\d+)")
_EVENTS: Final = ("Network.requestWillBeSent", "Network.loadingFailed")
# Each fetch gives [number, null] where the page may read the answer, else [number, what it threw].
_SCRIPT: Final = """(async (fetches, atOnce) => {
  const results = [];
  const one = async ({number, url, ...options}) => {
    try {
      const answer = await fetch(url, {mode: "cors", redirect: "error", ...options});
      await answer.text();
      results.push([number, null]);
    } catch (error) {
      results.push([number, error.name]);
    }
  };
  const line = fetches[Symbol.iterator]();
  const worker = async () => { for (const fetch of line) await one(fetch); };
  await Promise.all(Array.from({length: atOnce}, worker));
  return results;
})"""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the browser did.

    Attributes:
        verdict: ``allowed`` where the page could read the answer.
        sent: Whether any request left the page.
        error: ``corsErrorStatus.corsError`` of the failure, or what else went wrong, or None.
    """

    verdict: str
    sent: bool
    error: str | None


def perform(
    page: Page, cells: Sequence[Fetch], url_of: Callable[[Fetch], str]
) -> dict[int, Observed]:
    """Fetch every cell from *page*, which stands on their origin.

    Args:
        page: Its network events up to here are forgotten.
        cells: What to fetch.
        url_of: Where a cell's policy is served; the cell's number is added.
    """
    page.call("Network.enable")
    page.take_events()
    fetches = json.dumps([_options(cell, url_of(cell)) for cell in cells])
    results = page.evaluate(f"{_SCRIPT}({fetches}, {AT_ONCE})")
    events = page.take_events(*_EVENTS)
    requests = _requests(events)
    errors = _errors(events, requests)
    sent = set(requests.values())
    return {
        number: Observed("blocked" if thrown else "allowed", number in sent, errors.get(number))
        for number, thrown in results
    }


def _options(cell: Fetch, url: str) -> dict[str, Any]:
    return {
        "number": cell.number,
        "url": f"{url}?number={cell.number}",
        "method": cell.method,
        "headers": list(cell.headers),
        "credentials": cell.credentials,
    }


def _requests(events: Iterable[Event]) -> dict[str, int]:
    """Return which cell a browser's request belongs to, preflights left out."""
    found: dict[str, int] = {}
    for event in events:
        params = event["params"]
        number = _NUMBER.search(params.get("request", {}).get("url", ""))
        if number and params.get("type") != "Preflight":
            found[params["requestId"]] = int(number[1])
    return found


def _errors(events: Iterable[Event], requests: dict[str, int]) -> dict[int, str]:
    failed = (event["params"] for event in events if event["method"] == "Network.loadingFailed")
    return {
        requests[params["requestId"]]: _error(params)
        for params in failed
        if params["requestId"] in requests
    }


def _error(failure: Event) -> str:
    cors = failure.get("corsErrorStatus")
    return str(cors["corsError"] if cors else failure["errorText"])
