from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.settings import PREFIX, SettingsError, load

SECRET = "hunter2"
DATABASE = f"postgresql://u:{SECRET}@127.0.0.1:5432/x"
MQTT = f"mqtt://u:{SECRET}@127.0.0.1:1883"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load(env_file=tmp_path / "none")
    assert settings.sites == ("#",)
    assert (settings.ingest_http_host, settings.ingest_http_port) == ("127.0.0.1", 9101)
    assert settings.too_old_days == 400


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(f"CARBONFLOW_DATABASE_URL={DATABASE}\nCARBONFLOW_FUTURE_S=7\nOTHER=1\n", encoding="utf-8")
    monkeypatch.setenv("CARBONFLOW_FUTURE_S", "8")
    settings = load("database_url", env_file=file)
    assert settings.database_url.get_secret_value() == DATABASE
    assert settings.future_s == 8


def test_all_that_is_wrong_is_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONFLOW_DATABASE_URL", f"mysql://u:{SECRET}@h/x")
    monkeypatch.setenv("CARBONFLOW_INGEST_HTTP_PORT", "70000")
    monkeypatch.setenv("CARBONFLOW_LOG_LEVEL", "loud")
    monkeypatch.setenv("CARBONFLOW_BATCH_MAX_READING", "5")
    with pytest.raises(SettingsError) as caught:
        load("database_url", "mqtt_url", env_file=None)
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    for line, words in zip(
        lines,
        (
            "CARBONFLOW_BATCH_MAX_READING is no setting: did you mean CARBONFLOW_BATCH_MAX_READINGS?",
            "CARBONFLOW_DATABASE_URL must begin with postgresql://",
            "CARBONFLOW_INGEST_HTTP_PORT is '70000'",
            "CARBONFLOW_LOG_LEVEL is 'loud'",
            "CARBONFLOW_MQTT_URL is not set",
        ),
        strict=True,
    ):
        assert words in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CARBONFLOW_DATABASE_URL", f"postgresql://u:{SECRET}@:99999/x"),
        ("CARBONFLOW_DATABASE_URL", f"u:{SECRET}@h"),
        ("CARBONFLOW_MQTT_URL", f"http://u:{SECRET}@h"),
        ("CARBONFLOW_MQTT_URL", f"mqtt://u:{SECRET}@h:0"),
        ("CARBONFLOW_MQTT_URL", f"mqtt://u:{SECRET}@"),
        ("CARBONFLOW_MQTT_URL", f"mqtt://u:{SECRET}@[h"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load(env_file=None)
    assert variable in str(caught.value)
    assert SECRET not in str(caught.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONFLOW_DATABASE_URL", DATABASE)
    monkeypatch.setenv("CARBONFLOW_MQTT_URL", MQTT)
    settings = load("database_url", "mqtt_url", env_file=None)
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump_json())


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONFLOW_INGEST_HTTP_PORT", "")
    assert load(env_file=None).ingest_http_port == 9101


def test_the_sites_of_a_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONFLOW_INGEST_SITES", "campus,plant-2")
    assert load(env_file=None).sites == ("campus", "plant-2")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CARBONFLOW_INGEST_SITES", "campus, plant", "' plant'"),
        ("CARBONFLOW_INGEST_SITES", "campus,", "''"),
        ("CARBONFLOW_INGEST_SITES", "campus,#", "'#'"),
        ("CARBONFLOW_INGEST_SITES", "campus,plant,campus", "names the site campus twice"),
        ("CARBONFLOW_INGEST_TOPIC_FILTER", "telemetry/v1/campus/#", "CARBONFLOW_INGEST_SITES"),
    ],
)
def test_a_partition_that_is_not_meant_so(
    variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load(env_file=None)
    [line] = str(caught.value).splitlines()
    assert line.startswith(variable)
    assert says in line
