"""A program that supervises workers which do as they are told, for tests of the supervisor alone.

``python -m tests.server.host.supervised BEHAVIOUR WORKERS``
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from portico.server.host.supervisor import Generation, Supervisor
from portico.server.host.worker_process import Lifeline, Word

STALL_S = 1.0
END_S = 1.0


def say(event: str, **fields: Any) -> None:
    os.write(1, json.dumps({"event": event, "pid": os.getpid(), **fields}).encode() + b"\n")


def log(level: str, event: str, **fields: Any) -> None:
    say(event, level=level, **fields)


def orders(lifeline: Lifeline, deadline_s: float) -> bytes:
    ready = select.select([lifeline.orders], [], [], deadline_s)[0]
    return os.read(lifeline.orders, 64) if ready else b""


def live(lifeline: Lifeline) -> int:
    """Beat until told to end, and say how."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lifeline.say(Word.READY)
    while not (words := orders(lifeline, STALL_S / 4)):
        lifeline.say(Word.BEAT)
    say("told", words=words.decode())
    return 0


def refuse(_lifeline: Lifeline) -> int:
    say("tried", at=time.monotonic())
    return 1


def refuse_for_good(_lifeline: Lifeline) -> int:
    return 78


def die_young(lifeline: Lifeline) -> int:
    """Be ready, and die at once."""
    lifeline.say(Word.READY)
    say("tried", at=time.monotonic())
    return 1


def block(lifeline: Lifeline) -> int:
    lifeline.say(Word.READY)
    signal.pause()
    return 0


def ignore(lifeline: Lifeline) -> int:
    """Do not end when told to."""
    lifeline.say(Word.READY)
    while True:
        orders(lifeline, STALL_S / 4)
        lifeline.say(Word.BEAT)


def raise_error(_lifeline: Lifeline) -> int:
    raise RuntimeError("a worker's mistake")


def ask_for_successor(lifeline: Lifeline) -> int:
    """Ask for one at the first start; the second lives on."""
    if not os.path.exists("asked"):  # noqa: PTH110
        with open("asked", "x"):  # noqa: PTH123
            lifeline.say(Word.SUCCESSOR)
    return live(lifeline)


RUNS: dict[str, Callable[[Lifeline], int]] = {
    run.__name__: run
    for run in (
        live, refuse, refuse_for_good, die_young, block, ignore, raise_error, ask_for_successor,
    )
}  # fmt: skip


def main(behaviour: str, workers: str, then: str = "") -> int:
    generation = Generation(
        run=RUNS[behaviour],
        workers=int(workers),
        stall_limit_s=STALL_S,
        end_limit_s=END_S,
        close_listeners=partial(say, "closed"),
    )

    def reload() -> Generation | None:
        if then == "raise":
            raise OSError("nothing can be read")
        return replace(generation, run=RUNS[then]) if then else None

    supervisor = Supervisor(
        generation,
        reload=reload,
        log=log,
        listening=partial(say, "listening", url="http://127.0.0.1:1"),
        notify=lambda *words: say("notified", words=words),
        watchdog_s=0.2,
        backoff_s=0.02,
    )
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
