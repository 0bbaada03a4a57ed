"""Route flags: no spelling makes a path exempt, and none makes it unguarded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import RequestHead
from portico.core.routes import Route, Routes

ROUTES = Routes.compile([Route("/livez", probe=True), Route("/v1/health/", probe=True)])


def head(path: bytes, method: str = "GET") -> RequestHead:
    return RequestHead(method, path, b"", [])


@pytest.mark.parametrize("path", [b"/livez", b"/v1/health/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_probe_is_exempt_as_declared(path: bytes, method: str) -> None:
    assert ROUTES.is_probe(head(path, method))


VARIANTS = [
    b"",
    b"/",
    b"livez",
    b"//livez",
    b"/livez/",
    b"/livez//",
    b"/livez?",
    b"/livez#",
    b"/livez;",
    b"/livez;a=1",
    b"/./livez",
    b"/livez/.",
    b"/livez/..",
    b"/x/../livez",
    b"/livez/../v1/admin/config",
    b"/livez%2f..%2fv1%2fadmin",
    b"/livez%2e",
    b"/livez%00",
    b"/livez%20",
    b"/livez\x00",
    b"/livez ",
    b" /livez",
    b"/livez\t",
    b"/livez\\",
    b"\\livez",
    b"/LIVEZ",
    b"/Livez",
    b"/%6civez",
    b"/%6Civez",
    b"/live%7A",
    b"%2flivez",
    b"/livez\xef\xbc\x8f",
    "/\uff4civez".encode(),
    b"/\xc0\xaflivez",
    b"http://host/livez",
    b"//host/livez",
    b"/v1/health",
    b"/v1//health/",
    b"/v1/health/x",
    b"/v1/health/../agents/",
]


@pytest.mark.parametrize("path", VARIANTS)
def test_no_other_spelling_is_a_probe(path: bytes) -> None:
    assert not ROUTES.is_probe(head(path))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE", ""])
def test_no_other_method_is_a_probe(method: str) -> None:
    assert not ROUTES.is_probe(head(b"/livez", method))


def test_a_handshake_is_no_probe() -> None:
    assert not ROUTES.is_probe(RequestHead("GET", b"/livez", b"", [], kind="websocket"))


@given(st.binary() | st.text().map(str.encode))
def test_only_the_declared_bytes_are_a_probe(path: bytes) -> None:
    assert ROUTES.is_probe(head(path)) is (path in {b"/livez", b"/v1/health/"})


def test_probes_answer_under_the_root_path_too() -> None:
    routes = Routes.compile([Route("/livez", probe=True)], root_path="/api")
    assert routes.is_probe(head(b"/api/livez"))
    assert routes.is_probe(head(b"/livez"))
    assert not routes.is_probe(head(b"/api//livez"))


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/admin",
        b"/v1/admin/",
        b"/v1/admin/config",
        b"/v1/admin/users/1",
        b"/v1//admin/config",
        b"//v1/admin",
        b"/v1/./admin",
        b"/v1/x/../admin",
        b"/v1/admin/../admin",
        b"/v1/admin/..",
        b"/v1/admin/../../v1/agents",
        b"/v1/%61dmin/config",
        b"/v1/%61%64%6d%69%6e",
        b"/v1%2fadmin",
        b"/v1%2Fadmin%2Fconfig",
        b"/%76%31/admin",
        b"/v1/%2561dmin",
        b"/v1/%252561dmin",
        b"/v1/%2e/admin",
        b"/v1/x/%2e%2e/admin",
        b"/v1\\admin",
        b"/v1%5cadmin",
        b"/v1/admin;x=1/config",
        b"/v1;x/admin",
        b"/V1/Admin",
        b"/v1/ADMIN/config",
        b"/v1/admin%20",
        b"/v1/admin ",
        b"/v1/admin?x",
        b"/v1/admin%3Fx",
        b"/v1/admin#x",
        b"/api/v1/admin",
        b"http://host/v1/admin/config",
    ],
)
def test_an_administrative_path_is_guarded_in_every_spelling(path: bytes) -> None:
    assert ROUTES.is_admin(path)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/v1/agents/",
        b"/v1/administrators",
        b"/v1/admins",
        b"/v1/xadmin",
        b"/v2/admin",
        b"/admin",
        b"/v1/x/admin",
        b"/docs/assets/swagger-ui.css",
        b"/v1/agents/agent-%41",
    ],
)
def test_what_is_not_administrative_is_open(path: bytes) -> None:
    assert not ROUTES.is_admin(path)


@given(st.binary())
def test_any_bytes_are_judged(path: bytes) -> None:
    assert ROUTES.is_admin(path) in {True, False}
    assert ROUTES.is_admin(b"/v1/admin/" + path)


@pytest.mark.parametrize("piece", [b"/", b"%25", b"/v1/", b"/..", b"/v1/admi", b"/x/.."])
def test_a_hostile_path_is_read_in_linear_time(piece: bytes) -> None:
    assert not ROUTES.is_admin(b"/x" + piece * (1_000_000 // len(piece)))


def test_an_application_may_declare_more() -> None:
    routes = Routes.compile([Route("/internal/Tools/", admin=True)])
    assert routes.is_admin(b"/internal/tools")
    assert routes.is_admin(b"/INTERNAL/tools/x")
    assert routes.is_admin(b"/v1/admin")
    assert not routes.is_admin(b"/internal")


@pytest.mark.parametrize(
    "path", ["", "livez", "/a//b", "/a/../b", "/.", "/%41", "/a;b", "/ä", "/<id>"]
)
def test_a_path_that_readers_disagree_on_cannot_be_declared(path: str) -> None:
    with pytest.raises(ValueError, match="plain segments"):
        Route(path)


def test_an_administrative_probe_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="cannot be a probe"):
        Route("/x", probe=True, admin=True)
