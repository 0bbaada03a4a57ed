"""What a stream is told of the drain."""

from portico.adapters.draining import Drain


def test_who_waits_is_told_once():
    told: list[str] = []
    drain = Drain()
    with drain.calling(lambda: told.append("first")), drain.calling(lambda: told.append("second")):
        drain.begin()
        drain.begin()
    assert told == ["first", "second"]


def test_who_has_ended_is_not_told():
    told: list[str] = []
    drain = Drain()
    with drain.calling(lambda: told.append("ended")):
        assert not drain.begun
    drain.begin()
    assert told == []


def test_who_comes_late_is_told_at_once():
    told: list[str] = []
    drain = Drain()
    drain.begin()
    with drain.calling(lambda: told.append("late")):
        assert told == ["late"]
