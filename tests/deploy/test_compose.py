"""docker-compose.yml: valid, pinned, closed, and refusing to start without passwords."""

from __future__ import annotations

import json
import re
import runpy
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from compose_spec import PyCompose

from services.settings import Settings, variable

if TYPE_CHECKING:
    from tests.deploy.conftest import Compose

ROOT = Path(__file__).resolve().parents[2]
ONE_SHOT = {"migrate", "demo-registry"}
NO_HEALTH = ONE_SHOT | {"simulators"}
"""The simulators serve nothing."""
ROLES = {
    "migrate": "carbonflow_owner",
    "demo-registry": "carbonflow_owner",
    "ingest": "carbonflow_ingest",
    "analytics": "carbonflow_analytics",
}


def test_it_follows_the_specification(compose: Compose) -> None:
    parsed = PyCompose.from_json(json.dumps(compose.document))
    assert set(parsed.service_names()) == {
        "timescaledb",
        "mosquitto",
        "migrate",
        "ingest",
        "analytics",
        "grafana",
        "prometheus",
        "demo-registry",
        "simulators",
    }


def test_the_parser_would_notice() -> None:
    with pytest.raises(ValueError, match="imge"):
        PyCompose.from_json('{"services": {"grafana": {"imge": "grafana/grafana:12.1.1"}}}')


def test_the_tls_override_follows_the_specification() -> None:
    text = (ROOT / "docker-compose.tls.yml").read_text()
    text = text.replace("${MQTTS_ADDRESS:-0.0.0.0}:${MQTTS_PORT:-8883}", "0.0.0.0:8883")
    assert PyCompose.from_yaml(text).service_names() == ["mosquitto"]


def test_only_the_demo_profile_adds_simulators(compose: Compose) -> None:
    assert {name for name, service in compose.services.items() if service.get("profiles") == ["demo"]} == {
        "demo-registry",
        "simulators",
    }


def test_images_are_pinned_to_a_version(compose: Compose) -> None:
    for name, service in compose.services.items():
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+(-pg17)?", service["image"]), name
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+$", dockerfile, re.MULTILINE)


@pytest.mark.parametrize("name", ["DB_ADMIN_PASSWORD", "MQTT_INGEST_PASSWORD", "GRAFANA_ADMIN_PASSWORD"])
def test_a_missing_password_refuses_with_a_sentence(compose: Compose, name: str) -> None:
    with pytest.raises(Exception, match=f"{name} is not set, see .env.example"):
        type(compose)(compose.text, compose.env | {name: ""}).services  # noqa: B018


def test_the_example_names_all_variables_and_gives_no_password(compose: Compose, env_example: str) -> None:
    used = set(re.findall(r"\$\{(\w+)", compose.text)) | set(
        re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.tls.yml").read_text())
    )
    named = set(re.findall(r"^#?(\w+)=", env_example, re.MULTILINE))
    assert used == named
    assert all(line.endswith("=") for line in env_example.splitlines() if "PASSWORD" in line and "=" in line)
    assert len(set(compose.env.values())) == len(compose.env)
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in compose.env.values())


def test_make_env_writes_once_and_for_its_owner_alone(tmp_path: Path, env_example: str) -> None:
    main = runpy.run_path(str(ROOT / "deploy/docker/make_env.py"))["main"]
    (tmp_path / ".env.example").write_text(env_example)
    assert main(tmp_path) == 0
    made = tmp_path / ".env"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    before = made.read_text()
    assert main(tmp_path) == 1
    assert made.read_text() == before


def test_ports_are_bound_to_loopback(compose: Compose) -> None:
    ports = {name: service.get("ports", []) for name, service in compose.services.items()}
    assert all(port.startswith("127.0.0.1:") for of_service in ports.values() for port in of_service)
    assert {name for name, of_service in ports.items() if of_service} == {
        "timescaledb",
        "mosquitto",
        "analytics",
        "grafana",
        "prometheus",
    }


def test_every_service_is_confined(compose: Compose) -> None:
    for name, service in compose.services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert service["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped"), name
        assert name in NO_HEALTH or "healthcheck" in service, name
        assert name == "timescaledb" or service["read_only"] is True, name
        assert name in ONE_SHOT or "stop_grace_period" in service, name


def test_services_wait_for_health_never_for_time(compose: Compose) -> None:
    for name, service in compose.services.items():
        for other, wait in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert wait["condition"] == expected, (name, other)
    assert "sleep" not in compose.text
    # Its session must exist before the first publisher.
    assert "ingest" in compose.services["simulators"]["depends_on"]


def test_each_service_has_its_own_role_and_sees_no_other_password(compose: Compose) -> None:
    for name, role in ROLES.items():
        url = compose.services[name]["environment"]["CARBONFLOW_DATABASE_URL"]
        assert url.startswith(f"postgresql://{role}:"), name
    secret_of = {value: key for key, value in compose.env.items()}
    seen = {
        name: {secret_of[secret] for secret in re.findall(r"[0-9a-f]{48}", str(service["environment"]))}
        for name, service in compose.services.items()
        if "environment" in service
    }
    assert seen["ingest"] == {"DB_INGEST_PASSWORD", "MQTT_INGEST_PASSWORD"}
    assert seen["analytics"] == {"DB_ANALYTICS_PASSWORD"}
    assert seen["simulators"] == {"MQTT_DEVICES_PASSWORD"}
    assert seen["grafana"] == {"GRAFANA_ADMIN_PASSWORD", "DB_GRAFANA_PASSWORD"}


def test_settings_of_services_exist(compose: Compose) -> None:
    known = {variable(name) for name in Settings.model_fields}
    for service in compose.services.values():
        given = {name for name in service.get("environment", {}) if name.startswith("CARBONFLOW_")}
        assert given <= known


def test_what_is_mounted_exists(compose: Compose) -> None:
    tls = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text())["services"]
    services = [*compose.services.values(), *tls.values()]
    declared = yaml.safe_load(compose.text)["volumes"]
    for volume in [volume for service in services for volume in service.get("volumes", [])]:
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (ROOT / source).exists(), volume
            assert volume.endswith(":ro"), volume
        else:
            assert source in declared, volume


def test_the_image_is_built_from_what_is_not_ignored() -> None:
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    kept = {
        line[1:].strip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = {
        name.strip("/")
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert copied == kept
    assert "USER carbonflow" in dockerfile
