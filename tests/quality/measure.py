"""How many of the faults that are put into simulated readings are found, and how many findings are none.

`python -m tests.quality.measure 5` prints that for so many days of the demo's devices and a generated fleet.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from services.domain.factors import FactorBook
from services.domain.ledger.hours import HOUR_US
from services.domain.ledger.kernel import compute
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import Readings, make_readings
from services.domain.ledger.track import Window
from services.domain.quality.rows import Finding, FindingKind
from services.domain.quantities import BY_CODE, NAMES, Kind
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.domain.registry.parse import parse
from simulators.device import Device
from simulators.sites.catalogue import SITES, demo_sites
from simulators.sites.generated import generated_fleet, registry_document
from simulators.spec import DeviceId
from simulators.strange import STRANGE, Arrival, Episode, make_strange

REGISTRY: Final = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "registry.yaml"
BEGIN: Final = 1_795_132_800.0
DAY_S: Final = 86_400.0
FLEET: Final = 40

SHOWS: Final = MappingProxyType(
    {
        "gap": (FindingKind.GAP,),
        "lost": (FindingKind.SEQ_HOLE,),
        "stuck": (FindingKind.STUCK,),
        "standing": (FindingKind.STANDING_REGISTER,),
        "spike": (FindingKind.SPIKE,),
        "reversed": (FindingKind.NEGATIVE_FLOW,),
        # Over its end it looks like a step back.
        "surge": (FindingKind.ABOVE_RATING, FindingKind.REGISTER_BACK),
        # Near its end a register that begins anew looks like one that rolled over, but for how far it went.
        "reset": (FindingKind.REGISTER_BACK, FindingKind.ABOVE_RATING),
        "repeat": (FindingKind.REPEATED_FRAME,),
        "ahead": (FindingKind.CLOCK_AHEAD,),
        "behind": (FindingKind.CLOCK_BEHIND,),
    }
)
"""By which findings a fault is found."""
ALSO: Final = MappingProxyType({"gap": (FindingKind.SEQ_HOLE,)})
"""What else follows from it."""


@dataclass
class Score:
    """What was put in, and what was found."""

    readings: int = 0
    put_in: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missed: list[Episode] = field(default_factory=list)
    findings: int = 0
    false: list[Finding] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Share of the faults that were found."""
        return self.found.total() / self.put_in.total()

    @property
    def precision(self) -> float:
        """Share of the findings that are of a fault."""
        return 1.0 - len(self.false) / self.findings


def device_key(device: DeviceId) -> DeviceKey:
    return DeviceKey(device.site, Kind(device.kind), device.device)


def plans(seed: int, fleet_size: int = FLEET) -> list[tuple[Plan, list[Device]]]:
    """The demo and a generated fleet: the ledger's plan, and devices that begin at BEGIN."""
    demo, fleet = demo_sites(tuple(SITES), seed), generated_fleet(seed, fleet_size)
    registry = parse(REGISTRY.read_text(encoding="utf-8")).registry
    generated = Registry.model_validate(registry_document(fleet))
    begin = BEGIN + seed * 7.3 * DAY_S
    return [
        (Plan(of, FactorBook(())), [Device.new(spec, seed, begin) for spec in simulated.devices])
        for of, simulated in ((registry, demo), (generated, fleet))
    ]


def batch(kind: Kind, arrivals: dict[DeviceKey, Sequence[Arrival]]) -> Readings:
    """Readings of one kind as the ledger has them."""
    devices = sorted(arrivals)
    rows = [(index, row) for index, key in enumerate(devices) for row in arrivals[key]]
    values = {
        name: np.array([row.reading.values.get(name, np.nan) for _, row in rows], np.float64)
        for name in NAMES[kind]
    }
    return make_readings(
        kind,
        devices,
        np.array([index for index, _ in rows], np.int64),
        np.array([row.reading.ts * 1_000_000 for _, row in rows], np.int64),
        values,
        np.zeros(len(rows), np.int64),
        {},
        np.array([row.reading.seq for _, row in rows], np.float64),
        np.array([round(row.received * 1e6) for _, row in rows], np.int64),
    )


def judge(plan: Plan, arrivals: dict[DeviceKey, Sequence[Arrival]]) -> list[Finding]:
    """All findings."""
    batches = []
    windows: dict[DeviceKey, Window] = {}
    for kind in Kind:
        of_kind = {key: rows for key, rows in arrivals.items() if key.kind is kind and rows}
        if of_kind:
            batches.append(batch(kind, of_kind))
        for key, rows in of_kind.items():
            grid = plan.history(key).grid
            first, last = rows[0].reading.ts * 1_000_000, rows[-1].reading.ts * 1_000_000
            windows[key] = Window(grid.floor(first), grid.ceil(last + HOUR_US))
    return compute(plan, batches, windows, {}).findings


def score(days: Iterable[int], faults: Sequence[str] = tuple(STRANGE), fleet_size: int = FLEET) -> Score:
    """Over a day of each seed; without faults every finding is false."""
    result = Score()
    for seed in days:
        for plan, devices in plans(seed, fleet_size):
            arrivals: dict[DeviceKey, Sequence[Arrival]] = {}
            told: list[Episode] = []
            for device in devices:
                readings = device.advance(device.state.due + DAY_S)
                rows, episodes = make_strange(device.spec, readings, seed, faults)
                arrivals[device_key(device.spec.id)] = rows
                told += episodes
                result.readings += len(rows)
            compare(result, judge(plan, arrivals), told)
    return result


def compare(result: Score, findings: Sequence[Finding], told: Sequence[Episode]) -> None:
    """Count what of the faults was found, and which findings are of none."""
    of_device: defaultdict[DeviceKey, list[Finding]] = defaultdict(list)
    for finding in findings:
        of_device[finding.device].append(finding)
    explained: set[int] = set()
    for episode in told:
        shown = [each for each in of_device[device_key(episode.device)] if _of(each, episode)]
        explained |= {id(each) for each in shown}
        result.put_in[episode.fault] += 1
        if any(each.kind in SHOWS[episode.fault] for each in shown):
            result.found[episode.fault] += 1
        else:
            result.missed.append(episode)
    result.findings += len(findings)
    result.false += [each for each in findings if id(each) not in explained]


def _of(finding: Finding, episode: Episode) -> bool:
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (episode.begin, episode.end))
    if finding.kind not in (*SHOWS[episode.fault], *ALSO.get(episode.fault, ())):
        return False
    if episode.quantity is not None and BY_CODE[finding.quantity].name != episode.quantity:
        return False
    # A register's step ends with the reading after the fault.
    return finding.begin <= end + timedelta(seconds=60) and finding.end >= begin - timedelta(seconds=60)


def lines(result: Score) -> list[str]:
    """The score as a table."""
    table = [f"{result.readings} readings, {result.findings} hours of findings"]
    table += [
        f"{name:10s} {result.found[name]:5d} of {result.put_in[name]:5d}" for name in sorted(result.put_in)
    ]
    if result.put_in:
        table.append(f"recall {result.recall:.4f}")
    if result.findings:
        table.append(f"precision {result.precision:.4f}")
    return table


def main(days: int) -> None:
    """Print the score over so many days."""
    strange, good = score(range(days)), score(range(days), ())
    for name, result in (("with faults", strange), ("without", good)):
        sys.stdout.write("\n".join([f"== {name}", *lines(result), ""]))
    for each in strange.missed:
        sys.stdout.write(f"missed: {each}\n")
    for found in (*strange.false, *good.false):
        sys.stdout.write(f"no fault: {found}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
