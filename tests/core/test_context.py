"""Log context: which identifiers a request names, and what wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.context import CONTEXT_KEYS, MAX_VALUE, NO_CONTEXT, read_context

UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OTHER = "a3bb189e-8bf9-4f4c-9c5e-0305e82c3302"
THIRD = "00000000-0000-4000-8000-000000000000"


def ids(prefix: str, *uuids: str) -> list[str]:
    return [f"{prefix}-{uuid}" for uuid in uuids]


@pytest.mark.parametrize(("prefix", "key"), CONTEXT_KEYS.items())
def test_every_prefix_has_its_key_in_path_and_query(prefix: bytes, key: str) -> None:
    name = f"{prefix.decode()}-{UUID}"
    assert read_context(f"/v1/things/{name}/parts".encode(), b"", []) == {key: name}
    assert read_context(b"/", f"a=1&thing={name}&b=2".encode(), []) == {key: name}


def test_the_keys_are_the_documented_ones() -> None:
    own_names = {b"conv": "conversation_id", b"organization": "org_id"}
    assert len(CONTEXT_KEYS) == 24
    for prefix, key in CONTEXT_KEYS.items():
        assert key == own_names.get(prefix, f"{prefix.decode()}_id")


def test_headers_give_actor_project_organisation_agent_and_run() -> None:
    headers = [
        (b"user_id", b"user-1"),
        (b"x-project-id", b"p"),
        (b"x-organization-id", b"o"),
        (b"x-agent-id", b"a"),
        (b"x-run-id", b"r"),
        (b"accept", b"*/*"),
    ]
    assert read_context(b"/", b"", headers) == {
        "actor_id": "user-1",
        "project_id": "p",
        "org_id": "o",
        "agent_id": "a",
        "run_id": "r",
    }


def test_x_run_id_goes_before_run_id_in_any_order() -> None:
    assert read_context(b"/", b"", [(b"run-id", b"r")]) == {"run_id": "r"}
    both = [(b"run-id", b"second"), (b"x-run-id", b"first")]
    assert read_context(b"/", b"", both) == {"run_id": "first"}
    assert read_context(b"/", b"", both[::-1]) == {"run_id": "first"}


def test_the_path_wins_over_the_query_and_the_query_over_headers() -> None:
    path, query, header = (f"/v1/{name}" for name in ids("agent", UUID, OTHER, THIRD))
    headers = [(b"x-agent-id", header.encode())]
    assert read_context(b"/v1", b"", headers) == {"agent_id": header}
    assert read_context(b"/v1", query.encode(), headers) == {"agent_id": query[4:]}
    assert read_context(path.encode(), query.encode(), headers) == {"agent_id": path[4:]}


def test_within_one_source_the_first_wins() -> None:
    first, second = ids("run", UUID, OTHER)
    assert read_context(f"/{first}/{second}".encode(), b"", []) == {"run_id": first}
    lines = [(b"x-agent-id", b"a"), (b"x-agent-id", b"b")]
    assert read_context(b"/", b"", lines) == {"agent_id": "a"}


def test_several_identifiers_of_one_path_stand_side_by_side() -> None:
    path = f"/v1/agents/agent-{UUID}/messages/message-{OTHER}".encode()
    query = f"batch=batch_item-{THIRD}".encode()
    assert read_context(path, query, []) == {
        "agent_id": f"agent-{UUID}",
        "message_id": f"message-{OTHER}",
        "batch_item_id": f"batch_item-{THIRD}",
    }


@pytest.mark.parametrize(
    "text",
    [
        f"robot-{UUID}",
        f"xagent-{UUID}",
        f"x-agent-{UUID}",
        f"_agent-{UUID}",
        f"Agent-{UUID}",
        f"agent_{UUID}",
        f"agent-{UUID.upper()}",
        f"agent-{UUID}0",
        f"agent-{UUID}-",
        f"agent-{UUID}.json",
        f"agent-{UUID}%20",
        f"%2Fagent-{UUID}",
        f"agent-{UUID.replace('-', '')}",
        f"agent-{UUID.replace('-4', '-1', 1).replace('-41d3', '-11d3')}",
        f"agent-{UUID.replace('-9a0c', '-7a0c')}",
        f"{'a' * 40}-{UUID}",
        "agent-",
    ],
)
def test_what_is_no_identifier_is_ignored(text: str) -> None:
    assert read_context(f"/v1/{text}".encode(), f"q={text}".encode(), []) == {}


def test_an_identifier_may_be_followed_by_a_verb_or_a_list() -> None:
    agent, run = f"agent-{UUID}", f"run-{OTHER}"
    path, query = f"/v1/{agent}:pause".encode(), f"ids={run},{run}".encode()
    assert read_context(path, query, []) == {"agent_id": agent, "run_id": run}


@pytest.mark.parametrize("value", [b"", b" \t"])
def test_a_blank_header_names_nothing(value: bytes) -> None:
    assert read_context(b"/", b"", [(b"x-agent-id", value)]) is NO_CONTEXT


def test_a_header_that_is_no_text_is_kept_visibly_and_cut() -> None:
    assert read_context(b"/", b"", [(b"user_id", b"a\xff")]) == {"actor_id": "a\\xff"}
    long = read_context(b"/", b"", [(b"user_id", b"\xff" * 5000)])["actor_id"]
    assert len(long) == MAX_VALUE


@given(st.binary(), st.binary(), st.lists(st.tuples(st.just(b"user_id"), st.binary())))
def test_any_bytes_give_a_context(
    path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    assert set(read_context(path, query, headers)) <= {"actor_id", *CONTEXT_KEYS.values()}


@pytest.mark.parametrize(
    "piece",
    [b"agent-", b"a", b"_", b"/agent-3f2504e0-4f89-41d3-9a0c-0305e82c330", b"3f2504e0-", b"/a"],
)
def test_hostile_text_is_walked_once(piece: bytes) -> None:
    """A quadratic walk of a megabyte would take hours, so that the test's time says it."""
    assert read_context(piece * (1_000_000 // len(piece)), b"", []) == {}
