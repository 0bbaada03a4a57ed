"""Certificates, tried before anything is bound: every engine reports them late and differently."""

import ssl
from pathlib import Path
from typing import Final

from portico.core.engines import EngineName
from portico.core.launch import TlsPlan

ENCRYPTED_PKCS8: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


class TlsError(Exception):
    """The certificate cannot be served; the text is one line that says which file and why."""


def check_tls(tls: TlsPlan, engine: EngineName) -> None:
    """Try the certificate, its key and the authorities as *engine* will.

    Raises:
        TlsError: A file cannot be read, is no PEM, or key and certificate do not belong together.
    """
    for path in (tls.cert, tls.key, tls.ca):
        if path is not None:
            _read(path)
    if engine == "granian" and ENCRYPTED_PKCS8 in _read(tls.key):
        raise TlsError(
            f"server.tls_key: granian cannot read the encrypted key {tls.key}; "
            "decrypt it with `openssl pkey`, or use another engine"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, tls)
    if tls.ca is not None:
        _load_authorities(context, tls.ca)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from error


def _load_pair(context: ssl.SSLContext, tls: TlsPlan) -> None:
    # A callable, also without a password: OpenSSL would ask on the terminal otherwise.
    password = "" if tls.password is None else tls.password.reveal()
    try:
        context.load_cert_chain(tls.cert, tls.key, lambda: password)
    except ssl.SSLError as error:
        raise TlsError(_explain(error, tls)) from error


def _explain(error: ssl.SSLError, tls: TlsPlan) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the key {tls.key} does not belong to the certificate {tls.cert}"
    if ENCRYPTED_PKCS8 in _read(tls.key) or b"ENCRYPTED" in _read(tls.key):
        problem = "is missing" if tls.password is None else "does not open it"
        return f"the key {tls.key} is encrypted and server.tls_key_password {problem}"
    return f"{tls.cert} or {tls.key} is no certificate with its key in PEM"


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise TlsError(f"{path} has no certificate in PEM") from error
