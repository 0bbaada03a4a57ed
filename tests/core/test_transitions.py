"""The transition table."""

import itertools
from collections.abc import MutableMapping

from portico.core.transitions import TRANSITIONS, IllegalStepError, State, Step


def test_every_state_can_be_reached_and_finished() -> None:
    reached = {State.IDLE}
    for _ in State:
        reached |= {to for (origin, _), to in TRANSITIONS.items() if origin in reached}
    assert reached == set(State)
    assert all(TRANSITIONS[state, Step.FINISH] is State.FINISHED for state in State)


def test_nothing_leaves_the_end() -> None:
    assert {to for (origin, _), to in TRANSITIONS.items() if origin is State.FINISHED} == {
        State.FINISHED
    }


def test_every_step_is_legal_somewhere_and_only_finishing_everywhere() -> None:
    for step in Step:
        states = {origin for origin, taken in TRANSITIONS if taken is step}
        assert states
        assert (states == set(State)) is (step is Step.FINISH)


def test_the_table_cannot_be_changed() -> None:
    assert not isinstance(TRANSITIONS, MutableMapping)


def test_an_illegal_step_says_what_was_tried_and_where() -> None:
    illegal = set(itertools.product(State, Step)) - TRANSITIONS.keys()
    for state, step in illegal:
        error = IllegalStepError(state, step)
        assert (error.state, error.step) == (state, step)
        assert state in str(error)
        assert step in str(error)
