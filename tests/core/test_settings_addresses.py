"""Hosts, addresses, networks, URLs and origins."""

import pytest

from portico.core.settings.addresses import (
    ADDRESS,
    DATABASE_HOST,
    DATABASE_URI,
    HOST,
    ORIGINS,
    PEERS,
    REDIS_URL,
    SERVED_HOSTS,
    WEB_URL,
    is_ip,
    is_loopback_host,
    mask_url,
)
from portico.core.settings.kinds import Note, RefusalError


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (HOST, "LocalHost", "localhost"),
        (HOST, "[::1]", "::1"),
        (HOST, "FE80::1", "fe80::1"),
        (HOST, "0.0.0.0", "0.0.0.0"),
        (HOST, "my_db.internal.", "my_db.internal."),
        (DATABASE_HOST, "/run/pg", "/run/pg"),
        (DATABASE_HOST, "DB", "db"),
        (SERVED_HOSTS, "*.A.example, [::1]", ("*.a.example", "::1")),
        (PEERS, "10.0.0.0/8, UNIX, ::1", ("10.0.0.0/8", "unix", "::1")),
        (ADDRESS, "LocalHost:09464", "localhost:9464"),
        (ADDRESS, "[::1]:1", "[::1]:1"),
        (WEB_URL, "https://h/v1", "https://h/v1"),
        (ORIGINS, "HTTPS://A.example:443", ("https://a.example",)),
    ],
)
def test_reads(kind, text, value):
    assert kind.parse(text, []) == value


@pytest.mark.parametrize(
    ("kind", "text", "part"),
    [
        (HOST, "localhost:8283", "without a port"),
        (HOST, "[::1]:80", "without a port"),
        (HOST, "[127.0.0.1]", "host name"),
        (HOST, "256.1.1.1", "host name"),
        (HOST, "a b", "host name"),
        (HOST, "http://a", "host name"),
        (HOST, "", "host name"),
        (HOST, "a" * 254, "host name"),
        (HOST, "*", "host name"),
        (SERVED_HOSTS, "*", "leave it empty"),
        (SERVED_HOSTS, "a:80", "port"),
        (PEERS, "10.0.0.1/8", "networks"),
        (PEERS, "*", "networks"),
        (ADDRESS, "localhost", "host:port"),
        (ADDRESS, "::1:80", "brackets"),
        (ADDRESS, "h:65536", "host:port"),
        (WEB_URL, "ftp://h", "URL"),
        (WEB_URL, "https://", "URL"),
        (WEB_URL, "https://[", "URL"),
        (WEB_URL, "https://a b", "URL"),
        (WEB_URL, "https://a:0", "URL"),
        (DATABASE_URI, "mysql://h/n", "postgresql"),
        (DATABASE_URI, "postgresql://h", "name is missing"),
        (REDIS_URL, "http://h", "redis"),
        (REDIS_URL, "redis://", "redis"),
        (REDIS_URL, "unix://", "redis"),
        (ORIGINS, "a.example", "scheme"),
        (ORIGINS, "*,https://a.example", "alone"),
    ],
)
def test_refuses(kind, text, part):
    with pytest.raises(RefusalError) as caught:
        kind.parse(text, [])
    assert part in caught.value.message


def test_a_network_with_host_bits_suggests_the_network():
    with pytest.raises(RefusalError) as caught:
        PEERS.parse("10.1.2.3/8", [])
    assert caught.value.suggestion == "10.0.0.0/8"


def test_a_slash_after_an_origin_is_noted():
    notes: list[Note] = []
    assert ORIGINS.parse("https://a.example/", notes) == ("https://a.example",)
    assert notes == [
        ("origin-trailing-slash", "browsers send https://a.example; the slash is removed")
    ]


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (
            DATABASE_URI,
            "postgresql+psycopg://u:p%40@h:1/n",
            "postgresql+psycopg://u:********@h:1/n",
        ),
        (REDIS_URL, "redis://:p@h", "redis://:********@h"),
        (REDIS_URL, "unix:///run/redis", "unix:///run/redis"),
    ],
)
def test_urls_with_passwords_are_secrets_shown_without_them(kind, text, shown):
    secret = kind.parse(text, [])
    assert (secret.reveal(), str(secret)) == (text, shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("https://h/x@y", "https://h/x@y"),
        ("https://u@h", "https://u@h"),
        ("https://u:p@h,https://v:q/@k", "https://u:********@h,https://v:********@k"),
        ("postgresql:///n?password=p&x=1", "postgresql:///n?password=********&x=1"),
    ],
)
def test_masks_passwords_in_urls(text, shown):
    assert mask_url(text) == shown


def test_knows_addresses():
    assert is_ip("::1")
    assert not is_ip("localhost")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.9.9.9", True), ("::1", True), ("localhost.", True), ("a.localhost", True),
     ("0.0.0.0", False), ("a.example", False)],
)  # fmt: skip
def test_knows_loopback(host, loopback):
    assert is_loopback_host(host) is loopback
