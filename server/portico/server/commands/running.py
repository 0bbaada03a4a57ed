"""A running server in the place of a CORS policy: it is asked, and its answers are compared."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult

from portico.core.cors import CorsConfig, CorsDecision, CorsPolicy, HeaderLines
from portico.core.events import RequestHead
from portico.core.settings.wording import visible
from portico.server.commands.probe import ask

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""

UNITED: Final = frozenset({b"vary", b"access-control-expose-headers"})
"""Headers to which the application may have added items of its own."""

METHODS: Final = b"access-control-allow-methods"
"""The one list whose items are compared with their case (Fetch #concept-method)."""

LISTS: Final = UNITED | {METHODS, b"access-control-allow-headers"}

OWNED: Final = LISTS | {
    b"access-control-allow-origin",
    b"access-control-allow-credentials",
    b"access-control-allow-private-network",
    b"access-control-max-age",
    b"cross-origin-resource-policy",
    b"timing-allow-origin",
}
"""Headers that the policy decides on."""


@dataclass(slots=True)
class RunningServer:
    """Answers as a policy does, by asking a server.

    A request that could change something is asked as GET: the CORS headers of an answer do not
    depend on the method.

    Attributes:
        url: What is asked for.
        policy: The policy of the settings here, with which the answers are compared.
        differences: One sentence for each disagreement, filled while asking.
    """

    url: SplitResult
    policy: CorsPolicy
    differences: list[str] = field(default_factory=list)

    @property
    def config(self) -> CorsConfig:
        """What the policy was compiled from, for the advice."""
        return self.policy.config

    def decide(self, head: RequestHead) -> CorsDecision:
        """Ask the server what the policy would be asked.

        Raises:
            ProbeError: The server could not be asked.
        """
        expected = self.policy.decide(head)
        method = head.method if head.method in SAFE_METHODS else "GET"
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        answer = ask(self.url, method, lines)
        headers = tuple(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
        )
        actual = expected._replace(
            status=answer.status,
            headers=tuple(line for line in headers if line[0] in OWNED),
        )
        self.differences.extend(compare(head, expected, actual))
        return actual


def compare(head: RequestHead, expected: CorsDecision, actual: CorsDecision) -> Iterator[str]:
    """Say where a server's answer is not the policy's."""
    if expected.status is not None and expected.status != actual.status:
        yield f"{head.method}: the policy answers {expected.status}, the server {actual.status}"
    for name in sorted(OWNED):
        ours, theirs = (items_of(name, decision.headers) for decision in (expected, actual))
        agree = set(ours) <= set(theirs) if name in UNITED else sorted(ours) == sorted(theirs)
        if not agree:
            yield (
                f"{head.method}: {name.decode()} is {shown(ours)} by the policy,"
                f" {shown(theirs)} from the server"
            )


def shown(items: list[bytes]) -> str:
    """Write items for a person; a server's bytes must not reach the terminal as they are."""
    return visible(b", ".join(items).decode("latin-1")) if items else "nothing"


def items_of(name: bytes, headers: HeaderLines) -> list[bytes]:
    """Return the values of a header: the items of a list, else its lines."""
    lines = [value for line, value in headers if line == name]
    if name not in LISTS:
        return lines
    items = [item for line in lines for part in line.split(b",") if (item := part.strip())]
    return items if name == METHODS else [item.lower() for item in items]
