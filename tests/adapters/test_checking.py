"""The shipped conformance suite: it passes the shells, and names what a broken adapter does."""

from dataclasses import replace

import pytest

from portico.core.policy import Policy
from portico.testing import (
    AdapterError,
    Answer,
    Application,
    Client,
    Find,
    MakeClient,
    Request,
    check_adapter,
)
from portico.testing.reference import perform
from portico.testing.vectors import read_vectors
from tests.adapters import clients
from tests.conformance.deviations import GAPS

SHELLS: dict[str, MakeClient] = {"asgi": clients.asgi, "wsgi": clients.wsgi, "rsgi": clients.rsgi}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_answers_every_vector_like_the_exchange(shell: str) -> None:
    checked = check_adapter(SHELLS[shell], without=GAPS.get(shell, ()))
    assert checked > len(read_vectors()) // 2


def bare(policy: Policy, application: Application, find: Find) -> Client:
    return lambda request: perform(policy, application, find, request)


def test_the_exchange_conforms_to_itself() -> None:
    check_adapter(bare)


def test_a_difference_names_the_vector_what_was_expected_and_what_came() -> None:
    def without_vary(policy: Policy, application: Application, find: Find) -> Client:
        def client(request: Request) -> Answer:
            answer = perform(policy, application, find, request)
            return replace(answer, headers=[x for x in answer.headers if x[0] != b"vary"])

        return client

    with pytest.raises(AdapterError) as failed:
        check_adapter(without_vary)
    first = failed.value.differences[0]
    assert (first.vector, first.what, first.came) == ("ordinary", "header vary", None)
    assert "ordinary: header vary: expected (b'Origin',), came None" in str(failed.value)


def test_an_adapter_that_raises_or_makes_two_records_is_told() -> None:
    def raising(policy: Policy, application: Application, find: Find) -> Client:
        raise LookupError("broken")

    def twice(policy: Policy, application: Application, find: Find) -> Client:
        def client(request: Request) -> Answer:
            answer = perform(policy, application, find, request)
            return replace(answer, records=answer.records * 2)

        return client

    with pytest.raises(AdapterError, match=r"exception: expected None, came LookupError"):
        check_adapter(raising)
    with pytest.raises(AdapterError, match="access records: expected 1, came 2"):
        check_adapter(twice)
