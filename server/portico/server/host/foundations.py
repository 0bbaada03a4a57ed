"""What the host builds on in other packages, as data, and the self-test that it is all there.

Their versions are pinned; but a distribution or an operator may install others, and a server
that stops at start with one sentence is better than one that fails within a request.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from typing import Final

Names = Mapping[str, Iterable[str]]

NAMES: Final[Names] = {
    "h11": (
        "SERVER",
        "NEED_DATA",
        "Request",
        "Data",
        "EndOfMessage",
        "RemoteProtocolError",
        "Connection.receive_data",
        "Connection.next_event",
        "Connection.trailing_data",
        "Connection.they_are_waiting_for_100_continue",
    ),
    "h2.connection": (
        "H2Connection.initiate_connection",
        "H2Connection.receive_data",
        "H2Connection.data_to_send",
        "H2Connection.send_headers",
        "H2Connection.send_data",
        "H2Connection.reset_stream",
        "H2Connection.close_connection",
        "H2Connection.local_flow_control_window",
        "H2Connection.acknowledge_received_data",
    ),
    "h2.config": ("H2Configuration",),
    "h2.errors": ("ErrorCodes.ENHANCE_YOUR_CALM", "ErrorCodes.REFUSED_STREAM"),
    "h2.exceptions": ("H2Error",),
    "h2.settings": ("Settings", "SettingCodes.MAX_HEADER_LIST_SIZE"),
    "hyperframe.frame": ("GoAwayFrame.serialize",),
    "wsproto.connection": (
        "Connection.send",
        "Connection.receive_data",
        "Connection.events",
        "Connection.state",
        "ConnectionState.LOCAL_CLOSING",
        "ConnectionState.REMOTE_CLOSING",
    ),
    "wsproto.events": ("BytesMessage", "CloseConnection", "Ping", "Pong", "TextMessage"),
    "wsproto.frame_protocol": ("CloseReason.MESSAGE_TOO_BIG",),
    "wsproto.utilities": ("generate_accept_token",),
    "hypercorn.app_wrappers": ("ASGIWrapper",),
    "hypercorn.config": ("Config.create_ssl_context", "Config.logger_class", "Config.errorlog"),
    "hypercorn.logging": ("Logger.exception", "Logger.access"),
    "hypercorn.trio.lifespan": (
        "Lifespan.handle_lifespan",
        "Lifespan.wait_for_startup",
        "Lifespan.wait_for_shutdown",
    ),
    "hypercorn.utils": ("LifespanFailureError", "LifespanTimeoutError"),
    "trio.lowlevel": (
        "ParkingLot.unpark_all",
        "checkpoint_if_cancelled",
        "notify_closing",
        "wait_readable",
        "wait_writable",
    ),
}


class FoundationError(Exception):
    """An installed package lacks what the host needs; the text says which, and what to do."""


def check(names: Names = NAMES) -> None:
    """See that everything in *names* is there.

    Raises:
        FoundationError: with all that is missing, and the versions that are installed.
    """
    missing = lacking(names)
    if not missing:
        return
    packages = sorted({name.partition(".")[0] for name in missing})
    installed = ", ".join(f"{package} {_version(package)}" for package in packages)
    raise FoundationError(
        f"this installation lacks what the server builds on: {', '.join(missing)} "
        f"({installed}); install the versions that portico[server] asks for"
    )


def lacking(names: Names) -> list[str]:
    """The names that are not there, each with its module."""
    missing = []
    for module_name, attributes in names.items():
        try:
            module = import_module(module_name)
        except ImportError:
            missing.append(module_name)
            continue
        for attribute in attributes:
            try:
                attrgetter(attribute)(module)
            except AttributeError:
                missing.append(f"{module_name}.{attribute}")
    return missing


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"
