"""Tell the service manager (systemd) how the process stands: sd_notify's protocol.

Source: systemd's sd_notify(3): assignments, one a line, in a datagram to $NOTIFY_SOCKET; and
sd_watchdog_enabled(3).
"""

import os
import socket
from collections.abc import Mapping
from math import inf


def notify(*assignments: str) -> None:
    """Send assignments such as ``READY=1``; without a service manager nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        # A manager that does not read must not stop the supervisor.
        sock.setblocking(False)
        try:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send("\n".join(assignments).encode())
        except OSError:
            return  # the manager went away; the service goes on


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float:
    """How often to say ``WATCHDOG=1``: twice in the time that is watched; ``inf`` for never."""
    watched = environ.get("WATCHDOG_USEC", "")
    if not watched.isdecimal() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return inf
    return int(watched) / 2_000_000
