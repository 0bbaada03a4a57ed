"""Static files: no path leads out of the root, and every answer is what HTTP allows."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import RequestHead
from portico.core.problem import Problem
from portico.core.ranges import Span
from portico.core.static import (
    INDEX,
    MALFORMED,
    NOT_FOUND,
    File,
    FilePath,
    StaticAnswer,
    caching,
    decide,
    is_navigation,
    join_fields,
    parse_path,
    redirect,
    wants_sibling,
)

WALL = 1_800_000_000.0
NS = 1_000_000_000
OLD = 1_700_000_000 * NS
TAG = b'"3e8-%x-%x"' % (OLD, OLD)
MODIFIED = b"Tue, 14 Nov 2023 22:13:20 GMT"
FOREVER = b"max-age=31536000, immutable"


def file(name=b"a.css", size=1000, modified=OLD, changed=OLD, **more):
    return File(name, size, modified, changed, **more)


def ask(*headers, method="GET", found=None):
    lines = [(name.encode(), value) for name, value in headers]
    head = RequestHead(method, b"/x", b"", lines)
    return decide(head, found or file(), wall=WALL, boundary=b"cut")


def fields_of(answer):
    fields = dict(answer.head.headers)
    assert len(fields) == len(answer.head.headers)
    return fields


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", FilePath((), INDEX, is_folder=True)),
        (b"/a.js", FilePath((), b"a.js")),
        (b"/a/b.js", FilePath((b"a",), b"b.js")),
        (b"/a/b/", FilePath((b"a", b"b"), INDEX, is_folder=True)),
        (b"/a%20b%C3%A9", FilePath((), b"a b\xc3\xa9")),
        (b"/a%252e%252e", FilePath((), b"a%2e%2e")),
        (b"/%252e%252e/x", FilePath((b"%2e%2e",), b"x")),
        (b"/a;v=1", FilePath((), b"a;v=1")),
        (b"/a..b", FilePath((), b"a..b")),
        (b"/.well-known/security.txt", FilePath((b".well-known",), b"security.txt")),
        (b"/" + b"a" * 255, FilePath((), b"a" * 255)),
        (b"/.well-known", NOT_FOUND),
        (b"/.well-known/", FilePath((b".well-known",), INDEX, is_folder=True)),
        (b"/.well-known/.env", NOT_FOUND),
        (b"/a/.well-known/b", NOT_FOUND),
        (b"/.env", NOT_FOUND),
        (b"/%2eenv", NOT_FOUND),
        (b"/.git/config", NOT_FOUND),
        (b"/a/.git/", NOT_FOUND),
        (b"/..", NOT_FOUND),
        (b"/../etc/passwd", NOT_FOUND),
        (b"/a/../b", NOT_FOUND),
        (b"/%2e%2e/b", NOT_FOUND),
        (b"/.%2E/b", NOT_FOUND),
        (b"/./a", NOT_FOUND),
        (b"/a/.", NOT_FOUND),
        (b"//", NOT_FOUND),
        (b"//a", NOT_FOUND),
        (b"/a//b", NOT_FOUND),
        (b"/a//", NOT_FOUND),
        (b"/" + b"a" * 256, NOT_FOUND),
        (b"/a" * 65, NOT_FOUND),
        (b"/a" * 64, FilePath((b"a",) * 63, b"a")),
        (b"/" * 5000, NOT_FOUND),
        (b"/a%2fb", MALFORMED),
        (b"/..%2f..%2fetc/passwd", MALFORMED),
        (b"/..%5c..%5cx", MALFORMED),
        (b"/a\\b", MALFORMED),
        (b"/a%00.html", MALFORMED),
        (b"/a\x00", MALFORMED),
        (b"/a%0d%0aset-cookie:x", MALFORMED),
        (b"/a%7f", MALFORMED),
        (b"/%", MALFORMED),
        (b"/%zz", MALFORMED),
        (b"/%2", MALFORMED),
        (b"a", MALFORMED),
        (b"", MALFORMED),
        (b"*", MALFORMED),
        (b"http://h/a", MALFORMED),
    ],
)
def test_paths(path, expected):
    assert parse_path(path) == expected


tricks = st.lists(
    st.sampled_from(
        [b"/", b"//", b".", b"..", b"%2e", b"%2E%2e", b"%2f", b"%5c", b"\\", b"%00", b"a", b"%"]
    )
).map(b"".join)


@given(st.one_of(st.binary(), st.binary().map(b"/".__add__), tricks))
def test_no_path_raises_or_leaves_the_root(path):
    found = parse_path(path)
    if isinstance(found, Problem):
        return
    names = (*found.folders, found.name)
    joined = b"/".join(names)
    assert posixpath.normpath(b"/root/" + joined) == b"/root/" + joined
    assert not any(b"/" in name or b"\0" in name or not name for name in names)
    assert not any(name.startswith(b".") for name in names[1:] or names)


def test_the_index_of_a_folder_named_without_its_slash():
    assert FilePath((b"a",), b"b").index == FilePath((b"a", b"b"), INDEX, is_folder=True)


def test_a_redirect_keeps_the_query():
    answer = redirect(b"/app/a", b"x=1")
    assert (answer.head.status, answer.parts) == (308, ())
    assert fields_of(answer)[b"location"] == b"/app/a/?x=1"
    assert fields_of(redirect(b"/a", b""))[b"location"] == b"/a/"


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (b"/users/1", {"accept": b"text/html,application/xhtml+xml,*/*;q=0.8"}, True),
        (b"/users/", {"accept": b"text/html"}, True),
        (b"/a.b/", {"accept": b"text/html"}, True),
        (b"/users", {"accept": b"*/*, TEXT/HTML ;q=0.1"}, True),
        (b"/users", {"accept": b"text/html", "sec-fetch-mode": b"navigate"}, True),
        (b"/users", {"accept": b"text/html", "sec-fetch-mode": b"cors"}, False),
        (b"/users", {"accept": b"text/html", "sec-fetch-mode": b"no-cors"}, False),
        (b"/users", {"accept": b"text/html;q=0"}, False),
        (b"/users", {"accept": b"text/html;q=0.000, */*"}, False),
        (b"/users", {"accept": b"*/*"}, False),
        (b"/users", {"accept": b"text/htmlx"}, False),
        (b"/users", {"accept": b"application/json"}, False),
        (b"/users", {}, False),
        (b"/a.js", {"accept": b"text/html"}, False),
    ],
)
def test_navigation(path, headers, expected):
    fields = {name.encode(): value for name, value in headers.items()}
    assert is_navigation(fields, parse_path(path)) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"app.3f9a2b1c.js", FOREVER),
        (b"app-3f9a2b1c4d5e6f70.min.css", FOREVER),
        (b"3f9a2b1c4d5e6f70.js", FOREVER),
        (b"app.3f9a2b1c.js.map", FOREVER),
        (b"index-BxQ1b2_c.js", FOREVER),
        (b"index-D4x-9bQr.css", FOREVER),
        (b"chunk-4XGZ5QWZ.js", FOREVER),
        (b"logo_0a1b2c3d.svg", FOREVER),
        (b"app.js", b"no-cache"),
        (b"index.html", b"no-cache"),
        (b"page.3f9a2b1c.html", b"no-cache"),
        (b"report-20240101.pdf", b"no-cache"),
        (b"app-settings.js", b"no-cache"),
        (b"app-Settings.js", b"no-cache"),
        (b"app-Version2.js", b"no-cache"),
        (b"decade-deadbeef.js", b"no-cache"),
        (b"jquery-3.7.1.js", b"no-cache"),
        (b"3f9a2b1c", b"no-cache"),
    ],
)
def test_caching(name, expected):
    assert caching(name) == expected


def test_only_what_coding_makes_smaller_has_siblings():
    assert wants_sibling(b"a.js")
    assert wants_sibling(b"a.svg")
    assert not wants_sibling(b"a.png")
    assert not wants_sibling(b"a.js.br")


def test_lines_of_one_name_are_joined():
    assert join_fields([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]) == {b"a": b"1, 3", b"b": b"2"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_whole_file(method):
    answer = ask(method=method)
    assert (answer.head.status, answer.parts) == (200, (Span(0, 1000),))
    assert fields_of(answer) == {
        b"content-type": b"text/css; charset=utf-8",
        b"etag": TAG,
        b"last-modified": MODIFIED,
        b"accept-ranges": b"bytes",
        b"x-content-type-options": b"nosniff",
        b"cache-control": b"no-cache",
        b"vary": b"Accept-Encoding",
        b"content-length": b"1000",
    }


def test_an_empty_file():
    answer = ask(("range", b"bytes=0-"), found=file(size=0))
    assert (answer.head.status, answer.parts) == (200, ())
    assert fields_of(answer)[b"content-length"] == b"0"


def test_a_coded_sibling_is_another_representation():
    fields = fields_of(ask(found=file(coding="br")))
    assert fields[b"content-encoding"] == b"br"
    assert fields[b"content-type"] == b"text/css; charset=utf-8"
    assert fields[b"etag"] == TAG[:-1] + b'-br"'


def test_a_fallback_depends_on_what_made_it_one():
    fields = fields_of(ask(found=file(b"index.html", is_fallback=True)))
    assert fields[b"vary"] == b"Accept-Encoding, Accept, Sec-Fetch-Mode"
    assert b"vary" not in fields_of(ask(found=file(b"a.png")))


@pytest.mark.parametrize("name", ["modified", "changed"])
def test_what_changed_this_second_may_change_again(name):
    young = int((WALL - 0.5) * NS)
    fields = fields_of(ask(("range", b"bytes=0-9"), found=file(**{name: young})))
    assert fields[b"etag"].startswith(b'W/"')
    answer = ask(("range", b"bytes=0-9"), ("if-range", TAG), found=file(**{name: young}))
    assert answer.head.status == 200


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        (int(WALL + 1e6) * NS, b"Fri, 15 Jan 2027 08:00:00 GMT"),
        (-5 * NS, b"Thu, 01 Jan 1970 00:00:00 GMT"),
    ],
)
def test_no_date_is_later_than_the_answer_or_before_all_dates(modified, expected):
    assert fields_of(ask(found=file(modified=modified)))[b"last-modified"] == expected


@pytest.mark.parametrize("held", [TAG, b"W/" + TAG])
def test_what_the_client_holds_is_not_sent(held):
    answer = ask(("if-none-match", b'"x"'), ("if-none-match", held), ("range", b"bytes=0-1"))
    assert (answer.head.status, answer.parts) == (304, ())
    assert fields_of(answer) == {
        b"etag": held,
        b"cache-control": b"no-cache",
        b"vary": b"Accept-Encoding",
    }


def test_a_condition_that_fails():
    answer = ask(("if-match", b'"x"'))
    assert isinstance(answer, Problem)
    assert answer.status == 412


def test_one_range():
    answer = ask(("range", b"bytes=10-19"), ("if-range", TAG))
    assert (answer.head.status, answer.parts) == (206, (Span(10, 20),))
    fields = fields_of(answer)
    assert fields[b"content-range"] == b"bytes 10-19/1000"
    assert fields[b"content-length"] == b"10"
    assert fields[b"content-type"] == b"text/css; charset=utf-8"


@pytest.mark.parametrize(
    ("headers", "method"),
    [
        ([("range", b"bytes=0-9"), ("if-range", b'"x"')], "GET"),
        ([("range", b"bytes=0-9")], "HEAD"),
        ([("range", b"items=0-9")], "GET"),
        ([("range", b"bytes=0-9"), ("range", b"bytes=20-29")], "GET"),
        ([("range", b"bytes=" + b"0-," * 2000)], "GET"),
    ],
)
def test_ranges_that_do_not_count(headers, method):
    assert ask(*headers, method=method).head.status == 200


def test_several_ranges():
    answer = ask(("range", b"bytes=0-1,-2"))
    fields = fields_of(answer)
    assert answer.head.status == 206
    assert fields[b"content-type"] == b"multipart/byteranges; boundary=cut"
    assert b"content-range" not in fields
    assert fields[b"content-length"] == b"%d" % answer.length
    kind = b"Content-Type: text/css; charset=utf-8\r\n"
    assert answer.parts == (
        b"\r\n--cut\r\n" + kind + b"Content-Range: bytes 0-1/1000\r\n\r\n",
        Span(0, 2),
        b"\r\n--cut\r\n" + kind + b"Content-Range: bytes 998-999/1000\r\n\r\n",
        Span(998, 1000),
        b"\r\n--cut--\r\n",
    )


def test_a_range_that_is_not_there():
    answer = ask(("range", b"bytes=1000-"))
    assert isinstance(answer, Problem)
    assert (answer.status, answer.headers) == (416, ((b"content-range", b"bytes */1000"),))


NAMES = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "accept")


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.binary())),
    st.sampled_from(["GET", "HEAD"]),
    st.integers(0, 10**12),
    st.integers(-(10**10), 10**12),
)
def test_no_bytes_raise(headers, method, size, seconds):
    answer = ask(*headers, method=method, found=file(size=size, modified=seconds * NS))
    if isinstance(answer, StaticAnswer) and answer.head.status != 304:
        assert fields_of(answer)[b"content-length"] == b"%d" % answer.length
    is_navigation(
        join_fields([(name.encode(), value) for name, value in headers]), parse_path(b"/")
    )
