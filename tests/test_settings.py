"""Settings: defaults, then variables, then flags; what cannot be read is refused by name."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from segserver.clock import ShiftedClock, SystemClock
from segserver.errors import SettingsError
from segserver.settings import PREFIX, Settings, read


def test_defaults_without_any_variable() -> None:
    assert read({}) == Settings()
    assert read({"PATH": "/bin", "HUBSPOT_TOKEN": "x"}) == Settings()


def test_a_variable_wins_over_the_default_and_a_flag_over_the_variable() -> None:
    environ = {"SEGSERVER_PORT": "9000", "SEGSERVER_WORKSPACE": "/srv/rules"}
    assert read(environ).port == 9000
    settings = read(environ, port=9001, workspace=None)
    assert settings.port == 9001
    assert settings.workspace == Path("/srv/rules"), "a flag that was not given hides nothing"


def test_every_setting_can_be_set_by_its_variable() -> None:
    values = {
        "workspace": ("/w", Path("/w")),
        "store": ("/s/x.duckdb", Path("/s/x.duckdb")),
        "host": ("::1", "::1"),
        "port": ("0", 0),
        "public_url": ("https://segments.example.com", "https://segments.example.com"),
        "api_token": ("long-secret", "long-secret"),
        "clock_shift": ("-90.5", timedelta(seconds=-90.5)),
    }
    assert set(values) == {field.name for field in fields(Settings)}
    settings = read({PREFIX + name.upper(): text for name, (text, _) in values.items()})
    assert {name: getattr(settings, name) for name in values} == {name: value for name, (_, value) in values.items()}


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("SEGSERVER_STOR", "did you mean SEGSERVER_STORE?"),
        ("SEGSERVER_APITOKEN", "did you mean SEGSERVER_API_TOKEN?"),
        ("SEGSERVER_COLOUR_OF_ROOM", "known: "),
    ],
)
def test_an_unknown_variable_is_refused_with_a_hint(variable: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=f"unknown variable {variable}; ") as error:
        read({variable: "secret-value"})
    assert hint in str(error.value)
    assert "secret-value" not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "text", "wanted"),
    [
        ("SEGSERVER_PORT", "http", "a port from 0 to 65535"),
        ("SEGSERVER_PORT", "70000", "a port from 0 to 65535"),
        ("SEGSERVER_PORT", "-1", "a port from 0 to 65535"),
        ("SEGSERVER_CLOCK_SHIFT", "1 hour", "a number of seconds"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_what_is_wanted(variable: str, text: str, wanted: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}='{text}' is not {wanted}"):
        read({variable: text})


@pytest.mark.parametrize("text", ["nan", "inf", "1e300"])
def test_a_clock_cannot_be_shifted_beyond_all_time(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a number of seconds"):
        read({"SEGSERVER_CLOCK_SHIFT": text})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_loopback_address_needs_no_token(host: str) -> None:
    assert read({}, host=host).host == host


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.4", "::", "segments.example.com"])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="set SEGSERVER_API_TOKEN"):
        read({}, host=host)
    with pytest.raises(SettingsError, match="set SEGSERVER_API_TOKEN"):
        read({"SEGSERVER_API_TOKEN": ""}, host=host)
    assert read({"SEGSERVER_API_TOKEN": "long-secret"}, host=host).host == host


def test_the_token_is_never_shown() -> None:
    settings = read({"SEGSERVER_API_TOKEN": "long-secret"})
    assert "long-secret" not in repr(settings) + str(settings)
    assert "set" in repr(settings)


def test_the_store_lies_in_the_workspace_unless_it_is_named() -> None:
    assert Settings(workspace=Path("/w")).store_path == Path("/w/.segserver/store.duckdb")
    elsewhere = Settings(workspace=Path("/w"), store=Path("/data/x.duckdb"))
    assert elsewhere.store_path == Path("/data/x.duckdb")
    assert elsewhere.state_directory == Path("/data")


def test_the_clock_is_the_machines_unless_it_is_shifted() -> None:
    assert isinstance(Settings().clock(), SystemClock)
    shifted = Settings(clock_shift=timedelta(days=-3000)).clock()
    assert isinstance(shifted, ShiftedClock)
    assert abs(SystemClock().now() - timedelta(days=3000) - shifted.now()) < timedelta(minutes=1)
