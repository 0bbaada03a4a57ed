"""The typed result, the table it is walked to, secrets, and what is derived from settings."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from portico.core.settings import (
    GROUPS,
    TABLE,
    Resolution,
    Secret,
    Settings,
    Sources,
    build,
    check_policy,
    cors_config,
    database_target,
    resolve,
)


class TestSecret:
    secret = Secret("hunter2")

    def test_only_reveal_gives_the_text(self):
        assert self.secret.reveal() == "hunter2"

    @pytest.mark.parametrize("show", [str, repr, "{}".format, "{:>20}".format, "%s".__mod__])
    def test_formatting_gives_the_mask(self, show):
        assert "hunter2" not in show(self.secret)
        assert "********" in show(self.secret)

    @pytest.mark.parametrize("misuse", [json.dumps, "".join, "x".__add__, len, iter])
    def test_misuse_is_a_type_error(self, misuse):
        with pytest.raises(TypeError):
            misuse([self.secret] if misuse == "".join else self.secret)

    def test_it_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            self.secret.x = 1
        with pytest.raises(AttributeError):
            del self.secret._text
        with pytest.raises(AttributeError):
            self.secret._text = "x"

    def test_it_travels_whole(self):
        masked = Secret("a:b", "a:***")
        for travelled in (pickle.loads(pickle.dumps(masked)), copy.deepcopy(masked)):
            assert travelled == masked
            assert (travelled.reveal(), str(travelled)) == ("a:b", "a:***")

    def test_it_compares_by_text(self):
        assert self.secret == Secret("hunter2", "other mask")
        assert len({self.secret, Secret("hunter2"), Secret("hunter3")}) == 2
        assert self.secret != "hunter2"


class TestSettings:
    def test_defaults_are_the_tables(self):
        settings = Settings()
        for path, spec in TABLE.items():
            assert getattr(getattr(settings, spec.group), spec.key) == spec.default, path

    def test_groups_are_frozen_and_compared_by_value(self):
        settings = Settings()
        with pytest.raises(FrozenInstanceError):
            setattr(settings.server, "port", 1)  # noqa: B010 -- the type checker knows better
        other = replace(settings, server=replace(settings.server, port=1))
        assert other != settings
        assert other == build({"server.port": 1})
        assert hash(other) == hash(build({"server.port": 1}))
        assert "port=1," in repr(other)
        assert settings.server != settings.cors

    def test_settings_travel_to_workers(self):
        settings = build({"auth.password": Secret("p"), "cors.origins": ()})
        assert pickle.loads(pickle.dumps(settings)) == settings

    def test_resolutions_travel_too(self):
        resolution = resolve(Sources({"LETTA_SERVER_PASSWORD": "p", "LETTA_PORT": "x"}))
        assert isinstance(pickle.loads(pickle.dumps(resolution)), Resolution)


class TestTable:
    def test_every_group_is_in_it(self):
        assert {spec.group for spec in TABLE.values()} == set(GROUPS)

    def test_names_and_flags_are_claimed_once(self):
        for kind in ("all_names", "flags"):
            claimed = [name for spec in TABLE.values() for name in getattr(spec, kind)]
            assert len(claimed) == len(set(claimed))

    def test_every_setting_has_a_sentence_and_a_name(self):
        for path, spec in TABLE.items():
            assert spec.doc.endswith("."), path
            assert spec.names or spec.kind.composite, path

    def test_secrets_have_a_file_form_and_no_flag(self):
        secrets = {path: spec for path, spec in TABLE.items() if spec.secret}
        assert set(secrets) == {
            "auth.password",
            "database.password",
            "database.uri",
            "models.openai_api_key",
            "redis.url",
            "server.tls_key_password",
        }
        for spec in secrets.values():
            assert spec.flags == ()
            assert f"{spec.names[0]}_FILE" in spec.all_names

    def test_a_path_is_never_held_in_a_file(self):
        assert TABLE["server.tls_key"].file_names == ()

    def test_names_stand_in_order_of_rank(self):
        assert TABLE["server.port"].all_names == ("LETTA_PORT", "PORT", "LETTA_PORT_FILE")
        assert TABLE["server.engine"].all_names[:2] == ("LETTA_ENGINE", "LETTA_USE_GRANIAN")
        assert TABLE["redis.url"].all_names[1:3] == ("LETTA_REDIS_HOST", "LETTA_REDIS_PORT")

    def test_flags(self):
        assert TABLE["server.keep_alive"].flags == ("--keep-alive",)
        assert TABLE["database.host"].flags == ("--database-host",)
        assert TABLE["cors.origins"].flags == ("--cors-origins", "--cors-origin")
        assert TABLE["auth.required"].flags == (
            "--auth-required",
            "--no-auth-required",
            "--secure",
            "--no-secure",
        )
        assert TABLE["models.services"].flags == ()

    def test_security_settings(self):
        for path, spec in TABLE.items():
            if spec.group in ("cors", "auth", "proxy", "hosts") or ".tls_" in path:
                assert spec.security, path
        assert not TABLE["server.port"].security

    def test_secrets_are_written_masked(self):
        assert TABLE["auth.password"].format(Secret("p")) == "********"


def target(**env) -> Any:
    settings = resolve(Sources(env)).settings
    assert settings is not None
    return database_target(settings)


def config_of(values) -> Any:
    return cors_config(build(values))


class TestDatabase:
    def test_without_either_it_is_sqlite(self):
        assert target() is None

    def test_a_uri_is_decoded_once(self):
        found = target(LETTA_PG_URI="postgresql://a%40b:p%2540@[::1]:1/my%20db?sslmode=require")
        assert (found.host, found.port, found.user, found.name) == ("::1", 1, "a@b", "my db")
        assert found.password.reveal() == "p%40"
        assert found.options == (("sslmode", "require"),)

    def test_a_uri_may_leave_out_what_libpq_knows(self):
        found = target(LETTA_PG_URI="postgresql:///n?host=/run/pg&user=u&password=p")
        assert (found.host, found.port, found.user, found.name) == ("/run/pg", 5432, "u", "n")
        assert (found.password.reveal(), found.options) == ("p", ())

    def test_a_uri_without_a_password(self):
        assert target(LETTA_PG_URI="postgres://u@h/n").password is None

    def test_parts_stand_as_they_are(self):
        parts = {"HOST": "h", "USER": "u", "PASSWORD": "p%40", "DB": "n", "PORT": "1"}
        found = target(**{f"LETTA_PG_{key}": value for key, value in parts.items()})
        assert (found.host, found.port, found.password.reveal()) == ("h", 1, "p%40")


def policy_findings(is_public_suffix=None, **env):
    return check_policy(resolve(Sources(env)), is_public_suffix)


class TestCors:
    def test_no_origins_are_no_cors_at_all(self):
        assert config_of({"cors.origins": ()}) is None
        assert check_policy(resolve(Sources({"LETTA_CORS_ORIGINS": "[]"}))) == ()

    def test_origins_are_added(self):
        origins = {"cors.origins": ("https://a",), "cors.extra_origins": ("https://b",)}
        config = config_of(origins)
        assert config.origins == ("https://a", "https://b")
        assert (config.max_age, config.credentials) == (600, True)

    def test_an_added_wildcard_stands_for_all(self):
        config = config_of({"cors.extra_origins": ("*",), "cors.allow_credentials": False})
        assert config.origins == ("*",)

    def test_the_defaults_compile(self):
        assert policy_findings() == ()

    def test_problems_leave_nothing_to_compile(self):
        assert policy_findings(LETTA_PORT="x", LETTA_CORS_METHODS="TRACE") == ()

    def test_what_is_left_is_found_at_its_setting(self):
        env = {
            "LETTA_CORS_ORIGINS": "null",
            "ACCEPTABLE_ORIGINS": "https://*.github.io",
            "LETTA_CORS_METHODS": "TRACE",
            "LETTA_CORS_ALLOW_NULL": "true",
        }
        found = policy_findings(lambda domain: domain == "github.io", **env)
        assert [(finding.code, finding.path, finding.origin) for finding in found] == [
            ("origin_wildcard_public_suffix", "cors.extra_origins", "env:ACCEPTABLE_ORIGINS"),
            ("origin_null_with_credentials", "cors.allow_null", "env:LETTA_CORS_ALLOW_NULL"),
            ("method_forbidden", "cors.methods", "env:LETTA_CORS_METHODS"),
        ]
        assert found[0].related[0].text == "https://*.github.io"

    def test_an_expectation_of_one_origin(self):
        found = policy_findings(LETTA_CORS_STATIC_ORIGIN="true")
        assert [finding.path for finding in found] == ["cors.static_origin"]
