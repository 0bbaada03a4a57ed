"""Content types by the ends of names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.media_types import MEDIA_TYPES, UNKNOWN, media_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"index.html", b"text/html; charset=utf-8"),
        (b"INDEX.HTML", b"text/html; charset=utf-8"),
        (b"app.min.js", b"text/javascript; charset=utf-8"),
        (b"app.mjs", b"text/javascript; charset=utf-8"),
        (b"app.js.map", b"application/json"),
        (b"logo.svg", b"image/svg+xml"),
        (b"module.wasm", b"application/wasm"),
        (b"font.woff2", b"font/woff2"),
        (b"site.webmanifest", b"application/manifest+json"),
        (b"html", UNKNOWN),
        (b"a.", UNKNOWN),
        (b"a.unknown", UNKNOWN),
        (b"", UNKNOWN),
    ],
)
def test_types(name, expected):
    assert media_type(name) == expected


def test_the_table_is_sound():
    sound = re.compile(rb"[a-z]+/[a-z0-9.+-]+(; charset=utf-8)?")
    assert all(sound.fullmatch(kind) for kind in MEDIA_TYPES.values())
    assert all(re.fullmatch(rb"[a-z0-9]+", end) for end in MEDIA_TYPES)


@given(st.binary())
def test_any_name_has_a_type(name):
    assert media_type(name)
