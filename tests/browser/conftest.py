"""One browser for the session; each test opens a tab with a profile of its own."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, launch


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launch() as running:
        yield running
