import pytest

from portico.core.origin import (
    MAX_BYTES,
    NormalisedOrigin,
    OriginError,
    OriginPattern,
    is_loopback_origin,
    is_serialised,
    normalise,
    parse_pattern,
)


@pytest.mark.parametrize(
    "value",
    [
        b"https://example.com",
        b"http://localhost",
        b"https://example.com.",
        b"https://a_b.c-d.test:8443",
        b"https://9to5.test",
        b"https://4.example",
        b"https://example.com:65535",
        b"http://example.com:443",
        b"http://127.0.0.1:8080",
        b"chrome-extension://abcdefghijklmnop",
        b"app://1.2.3",
        b"a+b.c-d://x:80",
        b"http://[::]",
        b"http://[::1]:3000",
        b"http://[2001:db8::1:0:0:1]",
        b"http://[1:0:0:2::]",
        b"http://[1::2:0:0:0]",
        b"http://[1:0:2:0:3:0:4:0]",
        b"http://[::ffff:102:304]",
        b"http://[fe80::10]",
        b"ftp://a.test:80",
    ],
)
def test_serialised(value):
    assert is_serialised(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"https://",
        b"https:example.com",
        b"https://example.com/",
        b"HTTPS://example.com",
        b"https://Example.com",
        b"https://example.com:443",
        b"http://example.com:80",
        b"ws://example.com:80",
        b"https://example.com:0",
        b"https://example.com:080",
        b"https://example.com:65536",
        b"https://example.com:99999",
        b"https://example.com:100000",
        b"https://example.com\n",
        b" https://example.com",
        b"https://ex ample.com",
        b"https://\xc3\xa9xample.test",
        b"https://a..b",
        b"https://.a",
        b"https://1.2.3",
        b"https://1.2.3.4.",
        b"https://0x7f.0.0.1",
        b"https://a.0x",
        b"https://256.0.0.1",
        b"https://01.2.3.4",
        b"ftp://1.2.3:8080",
        b"http://[::1",
        b"http://[:::1]",
        b"http://[::01]",
        b"http://[::A]",
        b"http://[0:0:0:0:0:0:0:1]",
        b"http://[1:0:0:2:0:0:0:0]",
        b"http://[::1%25eth0]",
        b"http://[::ffff:1.2.3.4]",
        b"https://*.example.com",
    ],
)
def test_not_serialised(value):
    assert not is_serialised(value)


def test_length_is_bounded():
    longest = b"https://" + b"a" * (MAX_BYTES - 8)
    assert is_serialised(longest)
    assert not is_serialised(longest + b"a")


@pytest.mark.parametrize(
    ("text", "pattern", "exact"),
    [
        ("https://a.test", ("https", "a.test", None, False), True),
        ("https://a.test:8443", ("https", "a.test", "8443", False), True),
        ("https://a.test:*", ("https", "a.test", "*", False), False),
        ("https://*.a.test", ("https", "a.test", None, True), False),
        ("http://[::1]:*", ("http", "[::1]", "*", False), False),
    ],
)
def test_pattern_parts(text, pattern, exact):
    parsed = parse_pattern(text)
    assert parsed == OriginPattern(text, *pattern)
    assert parsed.exact is exact


@pytest.mark.parametrize(
    ("text", "code", "suggestion"),
    [
        ("example.com", "origin_missing_scheme", "https://example.com"),
        ("://example.com", "origin_missing_scheme", None),
        ("https://example.com/", "origin_trailing_slash", "https://example.com"),
        ("https://example.com/a/b", "origin_has_path", "https://example.com"),
        ("https://u:p@example.com", "origin_has_userinfo", "https://example.com"),
        ("https://example.com:443", "origin_default_port", "https://example.com"),
        ("https://Example.com", "origin_uppercase", "https://example.com"),
        ("https://éxample.test", "origin_non_ascii", "https://xn--xample-9ua.test"),
        ("http://[0:0::1]:80", "origin_default_port", "http://[::1]"),
        ("http://[0:0::1]", "origin_invalid", "http://[::1]"),
        ("https://a.test:x", "origin_port_invalid", None),
        ("https://*.1.2.3.4", "origin_ip_wildcard", None),
    ],
)
def test_strict_reader_names_the_mistake(text, code, suggestion):
    with pytest.raises(OriginError) as caught:
        parse_pattern(text)
    assert (caught.value.code, caught.value.suggestion) == (code, suggestion)
    assert caught.value.message == str(caught.value)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("*", "*"),
        ("null", "null"),
        (" https://a.test ", "https://a.test"),
        ("HTTPS://App.Example:443", "https://app.example"),
        ("http://LOCALHOST:80", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://h.example:80", "https://h.example:80"),
        ("https://*.Example.com:*", "https://*.example.com:*"),
        ("https://faß.de", "https://xn--fa-hia.de"),
        ("https://☃.net", "https://xn--n3h.net"),
        ("https://a。ü.test", "https://a.xn--tda.test"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
        ("http://[::FFFF:1.2.3.4]", "http://[::ffff:102:304]"),
        ("http://[1:2:3:4:5:6:7:8]", "http://[1:2:3:4:5:6:7:8]"),
    ],
)
def test_normalise(text, folded):
    assert normalise(text) == NormalisedOrigin(folded, trailing_slash=False)


def test_normalise_tells_of_the_slash():
    assert normalise("https://A.test:443/") == NormalisedOrigin("https://a.test", True)


@pytest.mark.parametrize(
    ("text", "code", "suggestion"),
    [
        ("mydomain.com", "origin_missing_scheme", "https://mydomain.com"),
        ("//MyDomain.com/", "origin_missing_scheme", "https://mydomain.com"),
        ("localhost:3000", "origin_missing_scheme", "https://localhost:3000"),
        ("", "origin_missing_scheme", None),
        ("FILE:///x", "origin_file_scheme", None),
        ("https://a.test/x", "origin_has_path", "https://a.test"),
        ("https://a.test//", "origin_has_path", "https://a.test"),
        ("https://／a.test", "origin_has_path", None),
        ("https://u@a.test", "origin_has_userinfo", "https://a.test"),
        ("https://a.test?q", "origin_invalid", None),
        ("https:///", "origin_invalid", None),
        ("https://a.test:99999", "origin_port_invalid", None),
        ("https://x*.a.test", "origin_wildcard_position", None),
        ("https://*.", "origin_wildcard_position", None),
        ("http://[fe80::1%eth0]", "origin_invalid", None),
        ("http://[::g]", "origin_invalid", None),
        ("http://[::1", "origin_invalid", None),
        ("https://\ud800.test", "origin_non_ascii", None),
        ("https://a\u200b\ufffd.test", "origin_non_ascii", None),
    ],
)
def test_normalise_leaves_what_is_wrong(text, code, suggestion):
    with pytest.raises(OriginError) as caught:
        normalise(text)
    assert (caught.value.code, caught.value.suggestion) == (code, suggestion)


def test_messages_never_repeat_credentials():
    with pytest.raises(OriginError) as caught:
        normalise("https://user:hunter2@a.test")
    assert "hunter2" not in f"{caught.value} {caught.value.suggestion}"


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:*",
        "http://api.localhost",
        "http://*.localhost:*",
        "http://127.0.0.1:*",
        "http://127.9.9.9",
        "http://[::1]:3000",
    ],
)
def test_loopback(text):
    assert is_loopback_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://localhost",
        "http://localhost.evil.test",
        "http://evillocalhost",
        "http://127.0.0.1.evil.test",
        "http://128.0.0.1",
        "http://[::2]",
        "http://example.com",
        "*",
        "null",
    ],
)
def test_not_loopback(text):
    assert not is_loopback_origin(text)
