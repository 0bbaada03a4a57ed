"""Problem details."""

import json

import pytest

from portico.core.problem import TITLES, Problem, Refusal


def test_the_body_is_the_problem_as_json() -> None:
    assert json.loads(Problem(404, 'nothing "here"').body("req-1")) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": 'nothing "here"',
        "instance": "req-1",
    }


@pytest.mark.parametrize(("status", "title"), [*TITLES.items(), (499, "Error"), (599, "Error")])
def test_every_error_status_has_a_title(status: int, title: str) -> None:
    assert json.loads(Problem(status, "").body("i"))["title"] == title


def test_an_answer_tells_type_length_and_its_own_headers_and_is_not_stored() -> None:
    problem = Problem(401, "who?", ((b"www-authenticate", b"Bearer"),))
    answer = problem.respond("i")
    assert answer.head.status == 401
    assert answer.head.headers == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(answer.body)),
        (b"cache-control", b"no-store"),
        (b"www-authenticate", b"Bearer"),
    ]
    assert answer.body == problem.body("i")


def test_head_gets_the_same_head_without_a_body() -> None:
    problem = Problem(400, "no")
    answer = problem.respond("i", head_only=True)
    assert answer.head == problem.respond("i").head
    assert answer.body == b""


@pytest.mark.parametrize("version", ["1.0", "1.1", "2", "3"])
def test_a_refusal_may_end_the_connection_where_there_is_such_a_field(version: str) -> None:
    own = (b"retry-after", b"1")
    refusal = Refusal("full", Problem(503, "later", (own,)))
    closing = refusal.closing(version).problem.headers
    assert closing == ((own,) if version in ("2", "3") else (own, (b"connection", b"close")))
    assert refusal.problem.headers == (own,)
