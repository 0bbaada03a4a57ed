"""Tell the service manager (systemd) how the process stands: sd_notify's protocol.

Source: systemd's sd_notify(3): assignments, one a line, in a datagram to $NOTIFY_SOCKET.
"""

import os
import socket


def notify(*assignments: str) -> None:
    """Send assignments such as ``READY=1``; without a service manager nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send("\n".join(assignments).encode())
        except OSError:
            return  # the manager went away; the service goes on
