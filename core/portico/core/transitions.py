"""The states of an exchange and every legal step between them, as data.

Source: design page "Architecture", The core's two objects; after h11's ``_state.py``.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["TRANSITIONS", "IllegalStepError", "State", "Step"]


class State(StrEnum):
    """Where an exchange stands."""

    IDLE = "idle"
    DECIDING = "deciding"
    ASKING = "asking"
    APPLICATION = "application"
    RESPONDING = "responding"
    ANSWERED = "answered"
    FINISHED = "finished"


class Step(StrEnum):
    """What happens to an exchange: what the shell calls, and what the policy decides.

    ``respond`` is an answer of the policy's own: a stage's, or that of `Exchange.fail`.
    """

    REQUEST = "request"
    ASK = "ask"
    ANSWER = "answer"
    PROCEED = "proceed"
    RESPOND = "respond"
    RECEIVE = "receive"
    RESPONSE = "response"
    SEND = "send"
    FINISH = "finish"


TRANSITIONS: Final[Mapping[tuple[State, Step], State]] = MappingProxyType(
    {
        (State.IDLE, Step.REQUEST): State.DECIDING,
        (State.DECIDING, Step.ASK): State.ASKING,
        (State.DECIDING, Step.PROCEED): State.APPLICATION,
        (State.DECIDING, Step.RESPOND): State.ANSWERED,
        (State.ASKING, Step.ANSWER): State.DECIDING,
        (State.ASKING, Step.RESPOND): State.ANSWERED,
        (State.APPLICATION, Step.RECEIVE): State.APPLICATION,
        (State.APPLICATION, Step.RESPOND): State.ANSWERED,
        (State.APPLICATION, Step.RESPONSE): State.RESPONDING,
        (State.RESPONDING, Step.RECEIVE): State.RESPONDING,
        (State.RESPONDING, Step.SEND): State.RESPONDING,
        **{(state, Step.FINISH): State.FINISHED for state in State},
    }
)


class IllegalStepError(RuntimeError):
    """The shell did what the exchange's state does not allow; nothing has changed.

    Attributes:
        state: Where the exchange stands.
        step: What was tried.
    """

    def __init__(self, state: State, step: Step) -> None:
        super().__init__(f"an exchange in the state {state} cannot take the step {step}")
        self.state = state
        self.step = step
