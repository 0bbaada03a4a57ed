"""A service manager in one line: listen, and become the command with the sockets as systemd has it.

python -m tests.faults.activator tcp unix:/path -- COMMAND...
"""

import os
import socket
import sys

FIRST = 3


def main(arguments: list[str]) -> None:
    end = arguments.index("--")
    # High numbers first: what is to become 3 must not be in use for another one.
    held = [os.dup2(listen(place).detach(), 100 + n) for n, place in enumerate(arguments[:end])]
    for number, descriptor in enumerate(held, FIRST):
        os.dup2(descriptor, number, inheritable=True)
        os.set_inheritable(descriptor, False)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(held))}
    command = arguments[end + 1 :]
    os.execvp(command[0], command)


def listen(place: str) -> socket.socket:
    if place == "tcp":
        return socket.create_server(("127.0.0.1", 0))
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(place.removeprefix("unix:"))
    sock.listen()
    return sock


if __name__ == "__main__":
    main(sys.argv[1:])
