"""The table of faults: what the server survives, in the order in which it is printed."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        fault: What happens.
        holds: What must hold nevertheless.
    """

    fault: str
    holds: str


ROWS: Final = {
    "drain": Row(
        "SIGTERM, 6 requests of 3 s in flight, to the process and to the group",
        "all answered, exit 0, within 3.5 s",
    ),
    "streams": Row(
        "SIGTERM with 50 endless streams, grace 5 s",
        "each gets a final event; exit within grace + 1 s; lifespan shutdown once",
    ),
    "twice": Row("SIGTERM twice", "exit within 1 s, no children"),
    "readiness": Row(
        "SIGTERM with a drain delay", "readiness fails first, requests are still accepted"
    ),
    "worker-killed": Row(
        "SIGKILL of a worker under load",
        "failures at most its own requests in flight; full strength within 2 s",
    ),
    "supervisor-killed": Row("SIGKILL of the supervisor", "workers gone within 1 s, port free"),
    "start": Row("start-up failure", "at most 6 starts with backoff, exit 3"),
    "blocked": Row(
        "blocked event loop",
        "found within 1.5 x the limit, stack logged, worker replaced, others serve",
    ),
    "frozen": Row("all processes frozen and thawed", "no worker is taken for a blocked one"),
    "slow": Row(
        "slow header, slow body, slow reader, silent client",
        "closed in time; probes never slower than 500 ms",
    ),
    "malformed": Row(
        "malformed HTTP/1, HTTP/2 and WebSocket input, by grammar and mutation",
        "no worker exit, no unhandled exception",
    ),
    "large": Row(
        "head, target or body over the limit, in one packet or dribbled, by length or chunked",
        "431, 414, 413 at the same limit",
    ),
    "cap": Row(
        "three times the connection cap", "excess refused within 50 ms, the others unharmed"
    ),
    "descriptors": Row("descriptors exhausted", "recovers within 2 s"),
    "refused": Row(
        "port in use; bad certificate or unknown key",
        "exit 2; exit 78; within 2 s, one line of reason",
    ),
    "hangup": Row(
        "SIGHUP with a good and with a broken file, under load",
        "no failed request; the broken one changes nothing",
    ),
    "recycled": Row(
        "workers replaced after max_requests, or above max_memory, under load",
        "no failed request",
    ),
    "log": Row("log sink blocked or full", "requests go on; drops are counted"),
}
