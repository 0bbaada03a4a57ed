"""What a browser makes of a policy, told to people and programs."""

import json

import pytest

from portico.core import cors
from portico.core.cors import (
    ClientRequest,
    CorsConfig,
    CorsPolicy,
    SettingFact,
    Verdict,
    explain,
    judge_actual,
    judge_preflight,
    preflight_request,
    render_json,
    render_text,
)
from portico.core.cors import explanation as explanation_module

ORIGIN = "https://example.com"
POLICY = CorsPolicy.compile(CorsConfig(origins=(ORIGIN,), credentials=True, methods=("PUT",)))


def text(policy, *request, facts=None):
    return render_text(explain(policy, ClientRequest(*request)), facts or {}).splitlines()


def test_the_example_of_the_documentation():
    client = ClientRequest("https://evil.example", "PUT", (("X-Trace", "1"),), "include")
    facts = {"cors.extra_origins": SettingFact((), "conf.yaml:4", "ACCEPTABLE_ORIGINS")}
    assert render_text(explain(POLICY, client), facts) == (
        "blocked at the preflight\n"
        "  a browser on https://evil.example sends OPTIONS first,"
        " because PUT is not safelisted\n"
        "  the server answers 403 without Access-Control-Allow-Origin"
        "       reason: origin_not_allowed\n"
        "  the browser reports PreflightMissingAllowOriginHeader\n"
        "  to allow it: add https://evil.example to cors.extra_origins (ACCEPTABLE_ORIGINS),"
        " now: conf.yaml:4"
    )


def test_an_allowed_request():
    assert text(POLICY, ORIGIN, "put") == [
        "allowed",
        "  a browser on https://example.com sends OPTIONS first, because PUT is not safelisted",
        "  the server answers 204       reason: preflight_ok",
        "  then it sends PUT",
        "  the application answers       reason: origin_exact",
    ]
    assert text(POLICY, ORIGIN) == [
        "allowed",
        "  a browser on https://example.com sends GET",
        "  the application answers       reason: origin_exact",
    ]


def test_headers_as_the_cause():
    one = text(POLICY, ORIGIN, "GET", (("X-A", "1"),))
    assert "because x-a is not safelisted" in one[1]
    assert one[-1] == "  to allow it: add x-a to cors.request_headers"
    two = text(POLICY, ORIGIN, "GET", (("X-B", "1"), ("X-A", "1")))
    assert "because x-a, x-b are not safelisted" in two[1]


def test_a_method_that_no_browser_sends():
    explanation = explain(POLICY, ClientRequest(ORIGIN, "trace"))
    assert render_text(explanation).splitlines() == [
        "blocked before anything is sent",
        "  to allow it: use another method: no browser sends trace for a page",
    ]
    assert explanation.reason is None
    assert explanation.preflight is explanation.actual is None


def test_chromium_is_told_apart():
    policy = CorsPolicy.compile(CorsConfig(origins=("*",), request_headers=("*",)))
    lines = text(policy, ORIGIN, "GET", (("authorization", "b"),))
    assert "  Chromium lets it pass: to it * in" in "\n".join(lines)


def remedies(config, *request):
    explanation = explain(CorsPolicy.compile(config), ClientRequest(*request))
    assert explanation.verdict == "blocked"
    return [remedy.path for remedy in explanation.remedies]


ONE = CorsConfig(origins=(ORIGIN,), methods=("PATCH",))
CREDENTIALED = CorsConfig(origins=(ORIGIN,), credentials=True)


@pytest.mark.parametrize(
    ("config", "request_", "paths"),
    [
        (ONE, ("https://evil.test",), ["cors.extra_origins"]),
        (ONE, (ORIGIN, "GET", (), "include"), ["cors.allow_credentials"]),
        (ONE, (ORIGIN, "DELETE"), ["cors.methods"]),
        (ONE, (ORIGIN, "patch"), ["cors.methods"]),
        (ONE, (ORIGIN, "GET", (("x-a", "1"),)), ["cors.request_headers"]),
        (ONE, ("null",), ["cors.allow_null"]),
        (CREDENTIALED, ("null",), ["cors.allow_null", "cors.allow_credentials"]),
        (ONE, ("null", "GET", (), "include"), ["cors.allow_null", None]),
        (
            ONE,
            ("https://evil.test", "GET", (), "include"),
            ["cors.extra_origins", "cors.allow_credentials"],
        ),
        (ONE, ("HTTPS://example.com",), [None]),
        (ONE, (ORIGIN, "TRACE"), [None]),
        (ONE, (ORIGIN, "GET", (("x-" + "a" * 5000, "1"),)), [None]),
        (
            CorsConfig(origins=("*",)),
            (ORIGIN, "GET", (), "include"),
            ["cors.origins", "cors.allow_credentials"],
        ),
        (
            CorsConfig(origins=(ORIGIN,), static_origin=True),
            ("https://evil.test",),
            ["cors.static_origin", "cors.extra_origins"],
        ),
        (
            CorsConfig(origins=("*",), request_headers=("*",)),
            (ORIGIN, "GET", (("authorization", "b"),)),
            ["cors.request_headers"],
        ),
    ],
)
def test_the_setting_to_change(config, request_, paths):
    assert remedies(config, *request_) == paths


def test_without_cors_nothing_passes():
    explanation = explain(CorsPolicy.disabled(), ClientRequest(ORIGIN, "PUT"))
    assert (explanation.verdict, explanation.stage) == ("blocked", "preflight")
    assert explanation.remedies[0].path == "cors.extra_origins"


def test_json():
    client = ClientRequest("https://evil.example", "PUT")
    facts = {"cors.extra_origins": SettingFact((), "default", None)}
    document = json.loads(json.dumps(render_json(explain(POLICY, client), facts)))
    assert list(document)[:1] == ["verdict"]
    assert document["settings"] == [
        {"path": "cors.extra_origins", "value": [], "origin": "default"}
    ]
    assert document["preflight"]["request"]["method"] == "OPTIONS"
    assert ["origin", "https://evil.example"] in document["preflight"]["request"]["headers"]
    assert document["preflight"]["response"]["status"] == 403
    assert document["actual"] is None
    without = render_json(explain(POLICY, client))
    assert without["settings"] == [{"path": "cors.extra_origins", "value": None, "origin": None}]


@pytest.mark.parametrize(
    "request_",
    [
        (ORIGIN, "P UT"),
        (ORIGIN, ""),
        (ORIGIN, "GET", (("bad name", "1"),)),
        (ORIGIN, "GET", (("x-a", "a\nb"),)),
        (ORIGIN, "GET", (("x-a", "\u20ac"),)),
        ("https://\u20ac.test",),
        (ORIGIN, "GET", (), "sometimes"),
    ],
)
def test_what_no_page_can_ask_for(request_):
    with pytest.raises(ValueError):
        ClientRequest(*request_)


def test_preflight_request():
    client = ClientRequest(ORIGIN, "put", (("X-B", "1"), ("x-a", "1"), ("Cookie", "c")))
    request = preflight_request(client)
    assert request is not None
    assert dict(request.headers) == {
        b"accept": b"*/*",
        b"access-control-request-headers": b"x-a,x-b",
        b"access-control-request-method": b"PUT",
        b"origin": b"https://example.com",
    }
    assert preflight_request(ClientRequest(ORIGIN)) is None


ACAO = b"access-control-allow-origin"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([b"https://example.com"], None),
        ([b"*"], None),
        ([], "MissingAllowOrigin"),
        ([b"*", b"*"], "MultipleAllowOriginValues"),
        ([b"https://example.com, https://b.test"], "MultipleAllowOriginValues"),
        ([b"https://b.test"], "AllowOriginMismatch"),
        ([b"null"], "AllowOriginMismatch"),
        ([b"example.com"], "InvalidAllowOriginValue"),
    ],
)
def test_answers_of_other_servers(values, why):
    client = ClientRequest(ORIGIN)
    assert judge_actual(client, [(ACAO, value) for value in values]) == Verdict(why)


def test_preflights_need_an_ok_status():
    client = ClientRequest(ORIGIN, "GET", (("x-a", "1"),))
    lines = [(ACAO, b"*"), (b"access-control-allow-headers", b"X-B, X-A")]
    assert judge_preflight(client, 302, lines) == Verdict("InvalidStatus")
    assert judge_preflight(client, 204, lines) == Verdict()


def test_the_package_loads_what_explains_when_asked():
    assert cors.Explanation is explanation_module.Explanation
    assert all(getattr(cors, name) is not None for name in cors.__all__)
    with pytest.raises(AttributeError, match="guess"):
        _ = cors.guess
