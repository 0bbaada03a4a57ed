"""Puts every vector to an adapter, and compares what comes with what the bare exchange gives."""

import re
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from typing import Final, TypeAlias

from portico.core.policy import Policy
from portico.testing.comparison import Difference, compare
from portico.testing.reference import perform
from portico.testing.requests import Answer, Application, Find, Request, application_of, request_of
from portico.testing.vectors import Vector, find_of, head_of, policy_of, read_vectors

__all__ = ["AdapterError", "Client", "Gap", "MakeClient", "check_adapter", "find_gaps"]

_ESCAPABLE: Final = re.compile(rb"[^A-Za-z0-9/:@!$&'()*+,;=._~-]")

Client: TypeAlias = Callable[[Request], Answer]
MakeClient: TypeAlias = Callable[[Policy, Application, Find], Client]


class Gap(StrEnum):
    """What an interface cannot say, so that vectors that need it are left out."""

    WEBSOCKET = "websocket"
    RAW_PATH = "raw-path"
    REPEATED_FIELDS = "repeated-fields"
    UNDERSCORES = "underscores"
    REFUSED_HANDSHAKE = "refused-handshake"
    CODING = "coding"


class AdapterError(AssertionError):
    """The adapter does not conform.

    Attributes:
        differences: Every one, in the order of the vectors.
    """

    def __init__(self, differences: tuple[Difference, ...], checked: int) -> None:
        wrong = len({difference.vector for difference in differences})
        lines = [f"{wrong} of {checked} vectors are not answered like the bare exchange"]
        super().__init__("\n  ".join([*lines, *map(str, differences)]))
        self.differences = differences


def check_adapter(make_client: MakeClient, *, without: Collection[Gap] = ()) -> int:
    """Put every vector to an adapter.

    Args:
        make_client: Makes a client of an application behind the adapter. It is given the policy,
            what the application is to do, and what answers the policy's questions.
        without: What the adapter's interface cannot say.

    Returns:
        How many vectors were checked.

    Raises:
        AdapterError: With every difference.
    """
    vectors = [vector for vector in read_vectors() if find_gaps(vector).isdisjoint(without)]
    found = [difference for vector in vectors for difference in _check(make_client, vector)]
    if found:
        raise AdapterError(tuple(found), len(vectors))
    return len(vectors)


def find_gaps(vector: Vector) -> frozenset[Gap]:
    """Say what an interface must be able to say for a vector to be put to it."""
    head = head_of(vector["request"])
    names = [name for name, _ in head.headers]
    needs = {
        Gap.WEBSOCKET: head.kind == "websocket",
        Gap.REFUSED_HANDSHAKE: head.kind == "websocket",
        Gap.RAW_PATH: _ESCAPABLE.search(head.path) is not None,
        Gap.REPEATED_FIELDS: len(set(names)) < len(names),
        Gap.CODING: "codings" in vector,
        Gap.UNDERSCORES: any(b"_" in name for name in names),
    }
    return frozenset(gap for gap, needed in needs.items() if needed)


def _check(make_client: MakeClient, vector: Vector) -> Iterator[Difference]:
    request, application, policy = request_of(vector), application_of(vector), policy_of(vector)
    expected = perform(policy, application, find_of(vector), request)
    try:
        came = make_client(policy, application, find_of(vector))(request)
    except Exception as error:
        yield Difference(vector["id"], "exception", None, error)
        return
    yield from compare(vector["id"], expected, came, request)
