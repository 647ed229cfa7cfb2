"""The commands as users and scripts call them: their own processes, exit statuses and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql

from services.cli.main import COMMANDS, load, main
from services.store.factors import shipped_factors

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "deploy" / "demo" / "registry.yaml"


class Outcome(NamedTuple):
    """What a call printed."""

    stdout: str
    stderr: str


class Carbonflow:
    """Calls the command, with a database of the test's own."""

    def __init__(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys
        self.use(database_url)

    def use(self, database_url: str) -> None:
        self.monkeypatch.setenv("CARBONFLOW_DATABASE_URL", database_url)

    def __call__(self, *arguments: str, status: int = 0) -> Outcome:
        self.monkeypatch.setattr(sys, "argv", ["carbonflow", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        outcome = Outcome(*self.capsys.readouterr())
        assert (caught.value.code or 0) == status, outcome.stderr
        return outcome

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def carbonflow(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Carbonflow:
    monkeypatch.chdir(tmp_path)
    return Carbonflow(database_url, monkeypatch, capsys)


def test_the_list_says_what_the_commands_say_of_themselves() -> None:
    for name, entry in COMMANDS.items():
        command = load(name, entry.target)
        assert entry.help.endswith(".")
        assert command.help, f"{name} has no help of its own"


def test_help_is_quick_because_nothing_is_imported_for_it() -> None:
    code = (
        "import sys; from services.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'psycopg', 'pydantic', 'rich', 'numpy', 'polars', 'yaml'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    assert "registry" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_migrate(carbonflow: Carbonflow, empty_database_url: str) -> None:
    assert "up to date" in carbonflow("migrate").stdout
    carbonflow.use(empty_database_url)
    report = carbonflow.json("migrate")
    assert report["migrations"][0] == "0001_core"
    assert report["factors"] == len(shipped_factors())
    assert carbonflow.json("migrate") == {"migrations": [], "views": False, "quantities": 0, "factors": 0}


def test_a_registry_is_shown_applied_and_read_back(carbonflow: Carbonflow, tmp_path: Path) -> None:
    dry = carbonflow("registry", "apply", str(DEMO), "--dry-run")
    assert "+ sites.plant: Asia/Shanghai, 1 areas, 5 devices, 5 sources, 0 events" in dry.stdout
    assert "Nothing was applied." in dry.stdout
    outcome = carbonflow.json("registry", "apply", str(DEMO))
    assert outcome["applied"] is True
    assert {change["kind"] for change in outcome["changes"]} == {"added"}
    shown = tmp_path / "shown.yaml"
    shown.write_text(carbonflow("registry", "show").stdout, encoding="utf-8")
    again = carbonflow.json("registry", "apply", str(shown))
    assert (again["applied"], again["changes"], again["version"]) == (False, [], outcome["version"])
    assert "Nothing changes." in carbonflow("registry", "apply", str(DEMO)).stdout
    assert carbonflow.json("registry", "show") == carbonflow.json("registry", "show", str(DEMO))


def test_a_change_is_shown_with_the_sites_date(carbonflow: Carbonflow, tmp_path: Path) -> None:
    carbonflow("registry", "apply", str(DEMO))
    text = DEMO.read_text(encoding="utf-8").replace("rated_power_kw: 2500", "rated_power_kw: 2600")
    edited = tmp_path / "edited.yaml"
    edited.write_text(text, encoding="utf-8")
    done = carbonflow("registry", "apply", str(edited), "--yes")
    assert "~ sites.campus.devices.meter/main.facts.2020-01-01.rated_power_kw: 2500 -> 2600" in done.stdout


def test_every_fault_of_a_registry_is_told_with_its_line(carbonflow: Carbonflow, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "version: 1\nsites:\n  a: {timezone: Asia/Shangai}\n  B: {timezone: UTC}\n", encoding="utf-8"
    )
    done = carbonflow("registry", "apply", str(bad), status=1)
    *lines, count = done.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [["Error", f"{bad}:3"], ["Error", f"{bad}:4"]]
    assert count == "2 errors."
    assert done.stdout == ""
    assert carbonflow("registry", "show", str(bad), status=1).stderr == done.stderr


# No interval: strange, not wrong. The meter in line 7 may get an area that does not exist.
STRANGE = """\
version: 1
sites:
  works:
    timezone: UTC
    devices:
      meter/main: {facts: [{from: 2024-01-01}]}
      meter/sub: {facts: [{from: 2024-01-01}]}
"""


def test_errors_come_first_and_warnings_are_marked_beside_them(
    carbonflow: Carbonflow, tmp_path: Path
) -> None:
    file = tmp_path / "strange.yaml"
    file.write_text(STRANGE, encoding="utf-8")
    *warnings, count = carbonflow("registry", "apply", str(file), "--dry-run").stderr.splitlines()
    assert len(warnings) == 2
    assert all(line.startswith(f"Warning: {file}:") for line in warnings)
    assert count == f"{len(warnings)} warnings."
    outcome = carbonflow.json("registry", "apply", str(file), "--dry-run")
    assert (len(outcome["errors"]), len(outcome["warnings"])) == (0, len(warnings))

    file.write_text(STRANGE[:-4] + ", area: nope}]}", encoding="utf-8")
    done = carbonflow("registry", "apply", str(file), status=1)
    error, *warnings, count = done.stderr.splitlines()
    assert error.startswith(f"Error: {file}:7: ")
    assert warnings
    assert all(line.startswith(f"Warning: {file}:") for line in warnings)
    assert count == f"1 error, {len(warnings)} warnings."
    done = carbonflow("registry", "apply", str(file), "--json", status=1)
    outcome = json.loads(done.stdout)
    assert outcome["applied"] is False
    assert [each["line"] for each in outcome["errors"]] == [7]
    assert len(outcome["warnings"]) == len(warnings)
    assert done.stderr == f"1 error, {len(warnings)} warnings: nothing was applied.\n"


EVENT = """\
    events:
      - {type: meter_replaced, device: meter/main, at: 2026-01-05,
         final: {energy_import_kwh: 9}, initial: {energy_import_kwh: 0}}
"""


def test_an_event_that_is_taken_back_is_told(carbonflow: Carbonflow, tmp_path: Path) -> None:
    file = tmp_path / "works.yaml"
    file.write_text(STRANGE + EVENT, encoding="utf-8")
    carbonflow("registry", "apply", str(file))
    file.write_text(STRANGE, encoding="utf-8")
    dry = carbonflow("registry", "apply", str(file), "--dry-run")
    assert "- sites.works.events.meter/main 2026-01-05: {type: meter_replaced, " in dry.stdout
    assert "no longer has meter_replaced of meter/main at 2026-01-05: " in dry.stderr
    outcome = carbonflow.json("registry", "apply", str(file))
    [change] = outcome["changes"]
    assert (change["kind"], change["new"]) == ("removed", None)
    assert "meter_replaced of meter/main" in " ".join(each["message"] for each in outcome["warnings"])
    assert [each["device"] for each in outcome["recomputed"]] == ["main"]


def test_a_file_that_is_no_text_is_told(carbonflow: Carbonflow, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"name: \xff")
    assert "is not UTF-8 (byte 7)" in carbonflow("registry", "show", str(bad), status=1).stderr


def test_a_role_that_may_only_read_can_use_what_only_reads(
    carbonflow: Carbonflow, role_url: Callable[[str], str], database_url: str, tmp_path: Path
) -> None:
    carbonflow("registry", "apply", str(DEMO))
    payload = b"a\\b\n\x00\xff\xc3\xa9"
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO core.dead_letter (client, topic, reason, detail, payload, payload_bytes, "
            "payload_sha256, key) VALUES ('c', 't', 'not_json', 'd', %s, 9000, '', '')",
            [payload],
        )
    reading = tmp_path / "reading.json"
    reading.write_text(json.dumps({"ts": datetime.now(UTC).isoformat(), "power_kw": 1}), encoding="utf-8")
    carbonflow.use(role_url("carbonflow_ops"))
    [letter] = carbonflow.json("deadletters", "list")["dead_letters"]
    assert letter["payload"] == payload.decode("utf-8", "backslashreplace")
    assert letter["bytes"] == 9000
    assert carbonflow.json("factors", "list", "--set", "CN_MEE_PROVINCE")
    assert carbonflow.json("registry", "show") == carbonflow.json("registry", "show", str(DEMO))
    for device, assigned in (("main", True), ("nobody", False)):
        done = carbonflow("check", f"telemetry/v1/campus/meter/{device}", str(reading), "--json")
        told = json.loads(done.stdout)
        assert [(unit["outcome"], unit["assigned"]) for unit in told["units"]] == [("stored", assigned)]
        assert told["compared"] is False
        assert "may only read" in told["note"]
        assert "is there already, contradicts a stored one" in told["note"]
    with psycopg.connect(database_url, autocommit=True) as connection:  # as on a standby
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    carbonflow.use(database_url)
    assert "may only read" in carbonflow("check", "telemetry/v1/campus/meter/main", str(reading)).stderr


def test_factors_are_listed(carbonflow: Carbonflow) -> None:
    [factor] = carbonflow.json(
        "factors", "list", "--set", "CN_MEE_PROVINCE", "--region", "CN-SH", "--on", "2022-06-01"
    )
    assert (factor["set"], factor["value"], factor["unit"]) == ("CN_MEE_PROVINCE_2022", 0.5849, "kg CO2/kWh")
    assert len(carbonflow.json("factors", "list")) == len(shipped_factors())
    [header, *rows] = carbonflow("factors", "list", "--carrier", "diesel").stdout.splitlines()
    assert header.split("\t")[:2] == ["factor", "set"]
    assert all(row.split("\t")[2] == "diesel" for row in rows)


@pytest.mark.parametrize(
    ("arguments", "url", "status", "words"),
    [
        (["nope"], "", 2, "No such command"),
        (["registry", "apply", "/no/such/file"], "", 2, "does not exist"),
        (["registry", "apply"], "", 2, "Missing argument"),
        (["factors", "list", "--on", "yesterday"], "", 2, "Invalid value"),
        (["migrate"], "", 2, "CARBONFLOW_DATABASE_URL is not set"),
        (["migrate"], "mysql://h/x", 2, "must begin with postgresql://"),
        (["migrate"], "postgresql://u:p@127.0.0.1:1/x", 1, "cannot be reached"),
    ],
)
def test_errors_are_a_sentence_and_a_status(
    carbonflow: Carbonflow, arguments: list[str], url: str, status: int, words: str
) -> None:
    carbonflow.use(url)
    done = carbonflow(*arguments, status=status)
    assert words in done.stderr
    assert done.stdout == ""


def test_an_error_in_a_process_of_its_own_is_no_traceback(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CARBONFLOW_DATABASE_URL": "postgresql://u:p@[h/x"}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "migrate"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("CARBONFLOW_DATABASE_URL is no address")


def test_an_unmigrated_database_is_told(carbonflow: Carbonflow, empty_database_url: str) -> None:
    carbonflow.use(empty_database_url)
    assert "run `carbonflow migrate`" in carbonflow("registry", "show", status=1).stderr
