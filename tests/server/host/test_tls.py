"""The TLS that a launch plan asks for: its context, client certificates, and reading them anew."""

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from portico.core.launch import LaunchPlan
from portico.core.settings import build
from portico.server.host.launching import _tls_context
from tests.server.host.peers import Http2Peer
from tests.server.host.wiring import Running, echo, running

pytestmark = pytest.mark.trio

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Files:
    """A server's certificate in files, and the authority that signed it."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key, self.ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        self.authority = trustme.CA()
        self.renew()

    def renew(self) -> None:
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost")
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.ca.write_bytes(self.authority.cert_pem.bytes())

    def plan(self, *, clients: bool = False) -> LaunchPlan:
        paths = {"server.tls_cert": str(self.cert), "server.tls_key": str(self.key)}
        if clients:
            paths["server.tls_ca"] = str(self.ca)
        return LaunchPlan.from_settings(build(paths))

    def client(self, *, alpn: list[str] | None = None, known: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        context.set_alpn_protocols(alpn or ["http/1.1"])
        if known:
            self.authority.issue_cert("me@example.org").configure_cert(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def connected(run: Running, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
    stream = trio.SSLStream(
        (await run.client()).stream, context, server_hostname="localhost", https_compatible=True
    )
    await stream.do_handshake()
    return stream


async def answer(stream: trio.SSLStream[trio.SocketStream]) -> bytes:
    await stream.send_all(GET)
    data = b""
    while piece := await stream.receive_some():
        data += bytes(piece)
    return data


async def test_both_protocols_are_offered_over_tls_12_at_least(files: Files) -> None:
    context = _tls_context(files.plan())
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    async with running(echo, tls=context) as run:
        stream = await connected(run, files.client(alpn=["h2", "http/1.1"]))
        assert stream.selected_alpn_protocol() == "h2"
        peer = Http2Peer(stream)
        assert (await peer.answer(await peer.request())).body == b"GET / "
        old = files.client()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        stream = await connected(run, old)
        assert (await answer(stream)).endswith(b"GET / ")
        assert run.reported == []


async def test_a_client_without_a_certificate_is_refused_where_one_is_asked(files: Files) -> None:
    async with running(echo, tls=_tls_context(files.plan(clients=True))) as run:
        assert (await answer(await connected(run, files.client(known=True)))).endswith(b"GET / ")
        stranger = files.client()
        trustme.CA().issue_cert("me@example.org").configure_cert(stranger)
        for context in (files.client(), stranger):
            with pytest.raises(trio.BrokenResourceError):  # TLS 1.3 says so after the handshake
                await answer(await connected(run, context))
        assert run.reported == []


async def test_a_new_worker_reads_the_certificate_anew(files: Files) -> None:
    plan = files.plan()
    async with running(echo, tls=_tls_context(plan)) as before:
        old = files.client()
        files.renew()
        async with running(echo, tls=_tls_context(plan)) as after:
            assert (await answer(await connected(before, old))).endswith(b"GET / ")
            assert (await answer(await connected(after, files.client()))).endswith(b"GET / ")
            with pytest.raises(trio.BrokenResourceError):
                await connected(after, old)
