"""Server-sent events: what a reader gets is what was sent, and when."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.sse import (
    DONE,
    Backlog,
    Beat,
    BehindError,
    Event,
    Keepalive,
    format_comment,
    format_event,
    parse_sequence,
)

TEXT = st.text(st.characters(codec="utf-8"))


def read(stream: bytes) -> list[tuple[str, str]]:
    """Read as a browser does: type and data of each event (WHATWG HTML 9.2.6)."""
    events, kind, data = [], "message", list[str]()
    for line in stream.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                events.append((kind, "\n".join(data)))
            kind, data = "message", []
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        else:
            assert line.startswith(":")
    return events


def test_a_plain_event_is_one_line() -> None:
    assert format_event('{"a":1}') == b'data: {"a":1}\n\n'
    assert format_event("{}", event="error") == b"event: error\ndata: {}\n\n"
    assert read(DONE) == [("message", "[DONE]")]


@given(TEXT, st.sampled_from([None, "error"]))
def test_any_text_arrives_whole_and_alone(data: str, event: str | None) -> None:
    folded = data.replace("\r\n", "\n").replace("\r", "\n")
    assert read(format_event(data, event=event)) == [(event or "message", folded)]


@given(TEXT)
def test_a_comment_is_no_event(text: str) -> None:
    frame = format_comment(text)
    assert read(frame) == []
    assert frame.endswith(b"\n\n")


@pytest.mark.parametrize("event", ["a\nb", "a\rdata: x"])
def test_a_type_cannot_smuggle_a_field(event: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        format_event("", event=event)


@pytest.mark.parametrize(
    ("text", "sequence"),
    [("7", 7), (" 12 ", 12), ("0", 0), ("", None), ("-1", None), ("1.5", None), ("٣", None)],
)
def test_a_sequence_is_ascii_digits(text: str, sequence: int | None) -> None:
    assert parse_sequence(text) == sequence


def test_silence_is_beaten_once_an_interval() -> None:
    alive = Keepalive.starting(100.0, interval_s=20.0, pings=True)
    assert alive.due_at == 120.0
    assert alive.decide(119.9) is Beat.NOTHING
    assert alive.decide(120.0) is Beat.PING
    assert alive.beaten(121.0).due_at == 141.0


def test_what_the_source_says_starts_the_silence_anew() -> None:
    alive = Keepalive.starting(0.0, interval_s=20.0).heard(15.0)
    assert alive.decide(20.0) is Beat.NOTHING
    assert alive.decide(35.0) is Beat.COMMENT


def test_beats_do_not_keep_a_dead_source_alive() -> None:
    alive = Keepalive.starting(0.0, interval_s=20.0, limit_s=50.0).beaten(20.0).beaten(40.0)
    assert alive.due_at == 50.0
    assert alive.decide(50.0) is Beat.END


def test_without_an_interval_nothing_is_ever_due() -> None:
    alive = Keepalive.starting(0.0, interval_s=None)
    assert alive.due_at == inf
    assert alive.decide(1e9) is Beat.NOTHING


@given(st.lists(st.floats(0, 100), max_size=20), st.floats(0.1, 50))
def test_asked_when_it_wants_to_be_something_is_due(pauses: list[float], interval_s: float) -> None:
    now = 0.0
    alive = Keepalive.starting(now, interval_s=interval_s)
    for pause in pauses:
        now += pause
        alive = alive.heard(now)
    assert alive.decide(alive.due_at) is Beat.COMMENT


def test_events_are_numbered_from_one() -> None:
    backlog = Backlog(100)
    assert backlog.append(b"a") == Event(1, b"a")
    backlog.append(b"b")
    assert [event.frame for event in backlog.read(0)] == [b"a", b"b"]
    assert backlog.read(1) == [Event(2, b"b")]
    assert backlog.read(2) == backlog.read(9) == []


def test_who_fell_behind_is_told_where_the_backlog_begins() -> None:
    backlog = Backlog(2, last=10)
    for frame in (b"a", b"b", b"c"):
        backlog.append(frame)
    with pytest.raises(BehindError, match="before 12") as caught:
        backlog.read(10)
    assert caught.value.kept_from == 12
    assert [event.frame for event in backlog.read(11)] == [b"b", b"c"]


def test_the_newest_event_stays_however_large() -> None:
    backlog = Backlog(2)
    backlog.append(b"small")
    backlog.append(b"a large frame")
    assert backlog.read(1) == [Event(2, b"a large frame")]


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=50), st.integers(1, 60))
def test_a_reader_at_any_pace_loses_nothing_unnoticed(frames: list[bytes], limit: int) -> None:
    backlog, got, behind = Backlog(limit), list[Event](), False
    for index, frame in enumerate(frames):
        backlog.append(frame)
        if index % 3 == 2:
            try:
                got += backlog.read(len(got))
            except BehindError:
                behind = True
                break
    if not behind:
        assert got == [Event(n + 1, frame) for n, frame in enumerate(frames[: len(got)])]
