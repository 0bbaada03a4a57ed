"""A real browser does with every cell of the matrix what ``explain`` says it will."""

from collections.abc import Iterator
from itertools import groupby

import pytest

from portico.core.cors import ClientRequest, CorsPolicy, Explanation, explain
from tests.browser.chromium import Browser
from tests.browser.fetches import Observed, perform
from tests.browser.matrix import POLICIES, Fetch, matrix
from tests.conformance.engines import host
from tests.conformance.policies import config_of
from tests.servers import Server

NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"

pytestmark = [pytest.mark.socket, pytest.mark.browser]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with host("hypercorn") as running:
        yield running


def test_the_matrix_is_large_and_its_cells_are_distinct() -> None:
    cells = [(c.policy, c.origin, c.method, c.headers, c.credentials) for c in matrix()]
    assert len(set(cells)) == len(cells) >= 500


def test_the_matrix_meets_every_stage_and_most_errors() -> None:
    explanations = [explain_cell(cell) for cell in matrix()]
    assert {explanation.stage for explanation in explanations} == {"api", "preflight", "actual"}
    assert any(explanation.chromium_deviates for explanation in explanations)
    assert len({explanation.browser_error for explanation in explanations}) >= 8


def test_chromium_agrees_with_explain(browser: Browser, server: Server) -> None:
    disagreements = []
    for origin, group in groupby(matrix(), lambda cell: cell.origin):
        cells = list(group)
        page = browser.page()
        page.stand_on(origin)
        assert page.evaluate("self.origin") == origin
        seen = perform(page, cells, server.url)
        # Chromium drops what is under way when it hears of a network: that says nothing of CORS.
        dropped = [cell for cell in cells if seen[cell.number].error == NETWORK_CHANGED]
        seen |= perform(page, dropped, server.url)
        assert set(seen) == {cell.number for cell in cells}
        disagreements += [text for cell in cells if (text := disagreement(cell, seen[cell.number]))]
    count = len(disagreements)
    assert not disagreements, f"{count} cells differ:\n" + "\n".join(disagreements[:50])


POLICY = {name: CorsPolicy.compile(config_of(policy)) for name, policy in POLICIES.items()}


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
