"""The services of docker-compose.yml, each with its own command and environment, on servers of this machine.

There is no container engine here: names of containers and their folders are replaced by what stands for them,
and nothing else.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.local import ports
from deploy.local.process import wait_until

if TYPE_CHECKING:
    from tests.deploy.conftest import Backing, Compose

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


class Machine:
    """Runs services of the stack as an engine would."""

    def __init__(self, compose: Compose, backing: Backing, folder: Path) -> None:
        self._services = compose.services
        self._folder = folder
        self.ports = {"ingest": ports.choose(None), "analytics": ports.choose(None)}
        self._stands_for = {
            "timescaledb:5432": f"127.0.0.1:{backing.database_port}",
            "mosquitto:1883": f"127.0.0.1:{backing.mqtt_port}",
            "127.0.0.1:9101": f"127.0.0.1:{self.ports['ingest']}",
            "127.0.0.1:8080": f"127.0.0.1:{self.ports['analytics']}",
            "0.0.0.0": "127.0.0.1",
            "/demo/registry.yaml": str(ROOT / "deploy/demo/registry.yaml"),
            "/var/lib/carbonflow": str(folder),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def _here(self, text: str) -> str:
        for there, here in self._stands_for.items():
            text = text.replace(there, here)
        return text

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        service = self._services[name]
        environment = {key: self._here(str(value)) for key, value in service["environment"].items()}
        for key, port in (("INGEST", self.ports["ingest"]), ("ANALYTICS", self.ports["analytics"])):
            if f"CARBONFLOW_{key}_HTTP_PORT" in environment:
                environment[f"CARBONFLOW_{key}_HTTP_PORT"] = str(port)
        # The image's entry point.
        command = [str(Path(sys.executable).with_name("carbonflow")), *map(self._here, service["command"])]
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log)

    def run(self, name: str) -> None:
        """A one-shot service, to its end."""
        status = self._start(name).wait(PATIENCE_S)
        assert status == 0, self.log(name)

    def up(self, name: str) -> None:
        """A service that stays, until its own health check holds."""
        self._running[name] = self._start(name)
        check = self._services[name].get("healthcheck")
        if check is None:
            return
        assert check["test"][0] == "CMD"
        command = [sys.executable, *map(self._here, check["test"][2:])]

        def healthy() -> bool:
            assert self._running[name].poll() is None, self.log(name)
            return subprocess.run(command, env={}, capture_output=True, check=False).returncode == 0

        assert wait_until(healthy, PATIENCE_S), self.log(name)

    def stop(self, name: str) -> int:
        """SIGTERM, and the exit status within the service's grace period."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(float(self._services[name]["stop_grace_period"].removesuffix("s")))

    def kill_all(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def get(self, name: str, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    def json(self, path: str) -> Any:
        return json.loads(self.get("analytics", path))


@pytest.fixture(scope="module")
def machine(
    compose: Compose, backing: Backing, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    machine = Machine(compose, backing, tmp_path_factory.mktemp("services"))
    try:
        yield machine
    finally:
        machine.kill_all()


def eventually(condition: Callable[[], bool], machine: Machine) -> None:
    assert wait_until(condition, PATIENCE_S), machine.log("ingest") + machine.log("analytics")


def rule_metrics() -> set[str]:
    """The names that the alert rules read."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    expressions = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    return set(re.findall(r"\bcarbonflow_\w+", expressions))


def exposed(machine: Machine) -> Mapping[str, float]:
    lines = (machine.get("ingest", "/metrics") + machine.get("analytics", "/metrics")).splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")
    }


@pytest.mark.slow
def test_the_stack_with_the_demo_profile(machine: Machine) -> None:
    machine.run("migrate")
    machine.run("migrate")
    machine.up("ingest")
    machine.up("analytics")
    machine.run("demo-registry")
    machine.up("simulators")

    def most_known() -> bool:
        # Not all: the simulated devices also fall silent and calibrate, as the real ones do.
        sources = machine.json("/api/v1/live")["sources"]
        return sum(source["co2_kg_per_h"] is not None for source in sources) > len(sources) / 2

    eventually(most_known, machine)
    assert {site["site"] for site in machine.json("/api/v1/sites")["sites"]} == {"campus", "plant"}
    eventually(lambda: bool(machine.json("/api/v1/emissions")["rows"]), machine)
    eventually(lambda: bool(machine.json("/api/v1/energy")["rows"]), machine)
    totals = machine.json("/api/v1/ingest")
    assert totals["stored"] > 0
    assert totals["received"] == totals["stored"] + totals["duplicate"] + totals["rejected"]
    assert "Demo office campus" in machine.get("analytics", "/")

    metrics = exposed(machine)
    names = {name.partition("{")[0] for name in metrics}
    assert rule_metrics() <= names
    assert metrics["carbonflow_database_up"] == 1

    for name in ("simulators", "ingest", "analytics"):
        assert machine.stop(name) == 0, machine.log(name)
