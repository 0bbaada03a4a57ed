"""What every exchange of one policy passes: judges of head and body, changes to the answer.

A new stage is a module of its own and one line in `Policy.compile`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from portico.core.conditional import Conditional
from portico.core.cors import CorsPolicy
from portico.core.events import Respond, ResponseHead
from portico.core.problem import Refusal
from portico.core.secure_headers import SecureHeaders

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["BodyStage", "Declared", "Pipeline", "Question", "ResponseStage", "Stage", "Verdict"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a stage needs to know before it can judge.

    Attributes:
        question: What the shell is asked, through `Ask`.
        judge: Goes on with the shell's answer.
    """

    question: object
    judge: "Callable[[Exchange, object], Verdict]"


Verdict: TypeAlias = Refusal | Respond | Question | None
"""What a stage says of a head; None is no objection."""


class Declared(Protocol):
    """What the class of each stage says of itself, for the documentation and the vectors.

    Attributes:
        name: Its name.
        settings: Paths of the settings that it obeys; ``cors.`` stands for the whole group.
        refusals: Every refusal that it can give, one for each reason code.
    """

    name: ClassVar[str]
    settings: ClassVar[tuple[str, ...]]
    refusals: ClassVar[tuple[Refusal, ...]]


class Stage(Protocol):
    """One judge of the request's head; what it finds out stands on the exchange."""

    @property
    def name(self) -> str:
        """Name, as its questions carry it."""

    @property
    def reads(self) -> frozenset[bytes]:
        """Names of the request headers that it wants to find in ``exchange.needed``."""

    def request(self, exchange: "Exchange") -> Verdict:
        """Judge ``exchange.head``."""


class BodyStage(Protocol):
    """One judge of the request's body as it comes."""

    def receive(self, exchange: "Exchange") -> Refusal | None:
        """Judge ``exchange.request_bytes``."""


class ResponseStage(Protocol):
    """One change to the application's answer."""

    def response(self, exchange: "Exchange", head: ResponseHead) -> ResponseHead:
        """Give the changed head."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of one policy, in order.

    Attributes:
        cors: CORS decisions, which every answer carries whoever gives it.
        stages: Judges of the head.
        secure_headers: What every answer with a body carries, refusals too.
        body_stages: Judges of the body.
        response_stages: Changes to the application's answer, before CORS and request id; the
            secure headers are one of them.
        conditional: That one of them which wants whole bodies, or None.
        reads: Names of the request headers that the stages read.
    """

    cors: CorsPolicy
    stages: tuple[Stage, ...]
    secure_headers: SecureHeaders
    body_stages: tuple[BodyStage, ...] = ()
    response_stages: tuple[ResponseStage, ...] = ()
    conditional: Conditional | None = None
    reads: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        reads = frozenset(name for stage in self.stages for name in stage.reads)
        object.__setattr__(self, "reads", reads)
