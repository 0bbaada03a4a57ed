"""A real browser does with every cell of the matrix what ``explain`` says it will."""

from collections.abc import Callable, Iterable
from itertools import groupby

import pytest

from portico.core.cors import ClientRequest, CorsPolicy, Explanation, explain
from portico.core.cors.fetch import normalise_method
from portico.core.policy import Policy
from portico.core.settings import Settings
from tests.browser.chromium import Browser
from tests.browser.fetches import Observed, perform
from tests.browser.matrix import DEFAULT, DEFAULT_ORIGINS, POLICIES, Fetch, matrix
from tests.conformance.deviations import LLHTTP_METHODS
from tests.conformance.engines import host
from tests.conformance.policies import config_of
from tests.servers import ENGINES, serve

NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"

pytestmark = [pytest.mark.socket, pytest.mark.browser]


def test_the_matrix_is_large_and_its_cells_are_distinct() -> None:
    cells = [(c.policy, c.origin, c.method, c.headers, c.credentials) for c in matrix()]
    assert len(set(cells)) == len(cells) >= 500


def test_the_matrix_meets_every_stage_and_most_errors() -> None:
    explanations = [explain_cell(cell) for cell in matrix()]
    assert {explanation.stage for explanation in explanations} == {"api", "preflight", "actual"}
    assert any(explanation.chromium_deviates for explanation in explanations)
    assert len({explanation.browser_error for explanation in explanations}) >= 8


def test_chromium_agrees_with_explain(browser: Browser) -> None:
    with host("hypercorn") as server:
        check(browser, matrix(), lambda cell: f"{server.url}/browser-{cell.policy}/ok")


@pytest.mark.parametrize("engine", ENGINES)
def test_chromium_agrees_with_explain_about_the_server_itself(
    browser: Browser, engine: str
) -> None:
    cells = [
        cell
        for cell in matrix(DEFAULT_ORIGINS, [DEFAULT])
        if engine != "uvicorn" or normalise_method(cell.method.encode()).decode() in LLHTTP_METHODS
    ]
    with serve("--engine", engine) as server:
        check(browser, cells, lambda _: f"{server.url}/v1/health/")


def check(browser: Browser, cells: Iterable[Fetch], url_of: Callable[[Fetch], str]) -> None:
    """Have the browser fetch *cells*, which stand origin by origin, and report who disagrees."""
    disagreements = []
    for origin, group in groupby(cells, lambda cell: cell.origin):
        row = list(group)
        seen = fetch_from(browser, origin, row, url_of)
        disagreements += [text for cell in row if (text := disagreement(cell, seen[cell.number]))]
    count = len(disagreements)
    assert not disagreements, f"{count} cells differ:\n" + "\n".join(disagreements[:50])


def fetch_from(
    browser: Browser, origin: str, row: list[Fetch], url_of: Callable[[Fetch], str]
) -> dict[int, Observed]:
    page = browser.page()
    page.stand_on(origin)
    assert page.evaluate("self.origin") == origin
    seen = perform(page, row, url_of)
    # Chromium drops what is under way when it hears of a network: that says nothing of CORS.
    dropped = [cell for cell in row if seen[cell.number].error == NETWORK_CHANGED]
    return seen | perform(page, dropped, url_of)


POLICY = {
    **{name: CorsPolicy.compile(config_of(policy)) for name, policy in POLICIES.items()},
    DEFAULT: Policy.compile(Settings()).pipeline.cors,
}


def explain_cell(cell: Fetch) -> Explanation:
    client = ClientRequest(cell.origin, cell.method, cell.headers, cell.credentials)
    return explain(POLICY[cell.policy], client)


def disagreement(cell: Fetch, seen: Observed) -> str | None:
    """Say where browser and explanation differ, or return None."""
    said = explain_cell(cell)
    verdict = said.chromium_deviates or said.verdict
    error = said.browser_error if verdict == "blocked" else None
    expected = Observed(verdict, said.stage != "api", error)
    if seen == expected:
        return None
    return f"{cell}\n    explain  {expected}\n    chromium {seen}"
