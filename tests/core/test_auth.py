"""Authentication: who is asked for the password, and what counts as it."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.auth import AuthPolicy, digest_secret
from portico.core.events import Headers, RequestHead
from portico.core.problem import Refusal
from portico.core.routes import Route, Routes
from portico.core.settings import Secret, Settings, build

PASSWORD = "correct horse: battery ä"
RIGHT = b"Bearer " + PASSWORD.encode()
ROUTES = Routes.compile([Route("/livez", probe=True)])


def policy_of(*, required: bool, password: str | None = PASSWORD) -> AuthPolicy:
    secret = None if password is None else Secret(password)
    settings = build({"auth.required": required, "auth.password": secret})
    return AuthPolicy.compile(settings, ROUTES)


CLOSED = policy_of(required=True)
OPEN = policy_of(required=False)
UNSET = policy_of(required=False, password=None)


def decide(
    policy: AuthPolicy, *headers: tuple[bytes, bytes], path: bytes = b"/v1/agents/"
) -> str | Refusal | None:
    return policy.decide(RequestHead("GET", path, b"", list(headers)), list(headers))


def refused(
    policy: AuthPolicy, *headers: tuple[bytes, bytes], path: bytes = b"/v1/agents/"
) -> tuple[str, int]:
    verdict = decide(policy, *headers, path=path)
    assert isinstance(verdict, Refusal)
    return verdict.reason, verdict.problem.status


@pytest.mark.parametrize(
    "line",
    [
        (b"authorization", RIGHT),
        (b"authorization", RIGHT.replace(b"Bearer", b"bearer")),
        (b"authorization", b" \t" + RIGHT + b" "),
        (b"x-bare-password", b"password " + PASSWORD.encode()),
    ],
)
@pytest.mark.parametrize("policy", [CLOSED, OPEN])
def test_the_password_makes_the_principal(policy: AuthPolicy, line: tuple[bytes, bytes]) -> None:
    assert decide(policy, line) == "password"
    assert decide(policy, line, path=b"/v1/admin/config") == "password"
    assert decide(policy, line, path=b"/livez") == "password"


def test_without_a_password_nothing_passes_but_probes() -> None:
    assert refused(CLOSED) == ("credentials_missing", 401)
    assert refused(CLOSED, (b"accept", b"*/*")) == ("credentials_missing", 401)
    assert decide(CLOSED, path=b"/livez") is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"Bearer wrong", "credentials_wrong"),
        (b"Bearer " + PASSWORD.encode() + b"x", "credentials_wrong"),
        (b"Bearer " + PASSWORD.encode()[:-1], "credentials_wrong"),
        (b"Bearer  " + PASSWORD.encode(), "credentials_wrong"),
        (b"Bearer \x00\xff", "credentials_wrong"),
        (b"Bearer " + digest_secret(PASSWORD.encode()), "credentials_wrong"),
        (b"Bearer", "credentials_malformed"),
        (b"Bearer ", "credentials_malformed"),
        (b"", "credentials_malformed"),
        (PASSWORD.encode(), "credentials_malformed"),
        (b"Basic " + PASSWORD.encode(), "credentials_malformed"),
        (b"password " + PASSWORD.encode(), "credentials_malformed"),
        (b"Bearer\t" + PASSWORD.encode(), "credentials_malformed"),
    ],
)
def test_what_is_not_the_password_is_refused(value: bytes, reason: str) -> None:
    assert refused(CLOSED, (b"authorization", value)) == (reason, 401)
    assert refused(OPEN, (b"authorization", value), path=b"/v1/admin") == (reason, 401)
    assert decide(OPEN, (b"authorization", value)) is None
    assert decide(CLOSED, (b"authorization", value), path=b"/livez") is None


def test_the_bare_header_has_a_scheme_of_its_own() -> None:
    assert refused(CLOSED, (b"x-bare-password", RIGHT)) == ("credentials_malformed", 401)


def test_two_lines_of_one_name_are_refused_even_if_one_is_right() -> None:
    lines = [(b"authorization", b"Bearer guess"), (b"authorization", RIGHT)]
    assert refused(CLOSED, *lines) == ("credentials_malformed", 401)


def test_of_both_headers_one_right_is_enough() -> None:
    other = (b"x-bare-password", b"password wrong")
    assert decide(CLOSED, other, (b"authorization", RIGHT)) == "password"
    assert decide(CLOSED, (b"authorization", RIGHT), other) == "password"


def test_administration_needs_the_password_also_where_nothing_else_does() -> None:
    assert decide(OPEN) is None
    assert refused(OPEN, path=b"/v1/admin/config") == ("credentials_missing", 401)
    assert refused(OPEN, path=b"/v1/%61dmin/config") == ("credentials_missing", 401)


@pytest.mark.parametrize(
    "headers", [(), ((b"authorization", b"Bearer "),), ((b"authorization", RIGHT),)]
)
def test_administration_is_closed_where_there_is_no_password(
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    assert refused(UNSET, *headers, path=b"/v1/admin/config") == ("password_not_configured", 403)
    assert decide(UNSET, *headers) is None


def test_required_without_a_password_lets_nobody_in() -> None:
    locked = policy_of(required=True, password=None)
    assert refused(locked, (b"authorization", RIGHT)) == ("credentials_missing", 401)
    assert decide(locked, path=b"/livez") is None


def test_a_challenge_names_the_error_only_where_credentials_were_given() -> None:
    plain, wrong = decide(CLOSED), decide(CLOSED, (b"authorization", b"Bearer no"))
    assert isinstance(plain, Refusal)
    assert isinstance(wrong, Refusal)
    assert plain.problem.headers == ((b"www-authenticate", b'Bearer realm="portico"'),)
    assert b'error="invalid_token"' in wrong.problem.headers[0][1]


def test_the_password_is_not_kept() -> None:
    assert PASSWORD not in repr(CLOSED)
    assert repr(CLOSED.digest) not in repr(CLOSED)
    assert CLOSED.digest == digest_secret(PASSWORD.encode())


def test_secrets_meet_only_as_digests_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison sees two SHA-256 digests for each secret that is sent, and nothing else."""
    seen: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(sent: bytes, kept: bytes) -> bool:
        seen.append((sent, kept))
        return compare(sent, kept)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    lines = [(b"authorization", RIGHT), (b"x-bare-password", b"password guess")]
    assert decide(CLOSED, *lines) == "password"
    assert seen == [
        (digest_secret(PASSWORD.encode()), CLOSED.digest),
        (digest_secret(b"guess"), CLOSED.digest),
    ]


HEADERS = st.lists(
    st.tuples(st.sampled_from([b"authorization", b"x-bare-password", b"cookie"]), st.binary())
)


@given(HEADERS, st.binary(), st.text())
def test_no_bytes_pass_for_the_password(headers: Headers, path: bytes, method: str) -> None:
    head = RequestHead(method, path, b"", headers)
    assert isinstance(CLOSED.decide(head, headers), Refusal)


def test_default_settings_ask_for_nothing() -> None:
    assert decide(AuthPolicy.compile(Settings(), ROUTES)) is None
