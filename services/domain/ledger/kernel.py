"""The ledger of some devices over some time, from their readings: the one place where it is put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import numpy as np

from services.domain.conversion import Conversion, SourceKey
from services.domain.energy import EnergyUse
from services.domain.ledger.activities import Amount, Calculation, Calculator
from services.domain.ledger.device_hour_columns import DeviceHours
from services.domain.ledger.device_hours import device_hours
from services.domain.ledger.emissions import Heard, Part, emission_hours
from services.domain.ledger.energy_hours import EnergyPart, energy_hours
from services.domain.ledger.histories import ItemKey
from services.domain.ledger.judgement import Judge
from services.domain.ledger.plan import Plan
from services.domain.ledger.readings import Readings
from services.domain.ledger.rows import EmissionHour, EnergyHour, StackHour
from services.domain.ledger.shapes import Shapes
from services.domain.ledger.stacks import Prepared, prepare, settle
from services.domain.ledger.track import MAX_DEVICES, Track, Window, lay_out
from services.domain.quality.judge import judge, sorted_findings
from services.domain.quality.rows import Finding
from services.domain.reading import DeviceKey
from services.domain.substitution import History

Of = TypeVar("Of", Conversion, EnergyUse)


_TRACK_READINGS: Final = 100_000
"""At once: a column of them is less than a megabyte."""


class Ledger(NamedTuple):
    """The rows of the windows asked for."""

    device_hours: DeviceHours
    energy_hours: list[EnergyHour]
    emission_hours: list[EmissionHour]
    stack_hours: list[StackHour]
    findings: list[Finding]


class Draft(NamedTuple):
    """What was measured in the windows, before anything stands in for what is missing."""

    device_hours: DeviceHours
    energy: list[EnergyPart]
    emissions: Prepared
    heard: Mapping[DeviceKey, Heard]
    heard_of: Mapping[SourceKey, Heard]
    sources: Mapping[SourceKey, Window]
    findings: list[Finding]


def compute(
    plan: Plan,
    readings: Iterable[Readings],
    windows: Mapping[DeviceKey, Window],
    sources: Mapping[SourceKey, Window],
) -> Ledger:
    """The rows of `windows` from readings alone: `complete` of `measure`, with no hours before."""
    return complete(measure(plan, readings, windows, sources))


def measure(
    plan: Plan,
    readings: Iterable[Readings],
    windows: Mapping[DeviceKey, Window],
    sources: Mapping[SourceKey, Window],
) -> Draft:
    """What readings say of `windows`, which begin and end on hours of their devices, and of `sources`.

    `readings` hold, kind by kind, what was stored of the devices in their windows and, beyond them on each
    side: of each register the nearest reading that counts, whatever was sent within the longest hold of the
    windows' ends and of those readings (before them also within the longest memory), and some reading,
    whatever its status, if the device has one. More changes nothing. Every member of a source has a window
    that contains the source's.
    """
    heard: dict[DeviceKey, Heard] = {}
    hours: list[DeviceHours] = []
    energy: list[EnergyPart] = []
    emissions: list[Part] = []
    findings: list[Finding] = []
    for batch in readings:
        heard |= _heard(batch)
        for some in _portions(batch):
            track = lay_out(some, {key: plan.history(key) for key in some.devices}, windows)
            shapes = Shapes(track)
            hours.append(device_hours(shapes))
            findings += judge(shapes)
            uses, parts = _parts(shapes, plan)
            energy += uses
            emissions += (part for part in parts if _inside(part, sources))
    heard_of = _of_sources(heard, plan, sources)
    return Draft(
        DeviceHours.joined(hours), energy, prepare(emissions, heard_of), heard, heard_of, sources, findings
    )


def complete(draft: Draft, stored: Mapping[ItemKey, History] = MappingProxyType({})) -> Ledger:
    """The rows of a draft. `stored` are hours of the ledger outside the windows, from which missing hours of
    stacks follow: all within `substitution.REACH_US` before the gaps in the windows, and up to the first
    valid hour after them. More changes nothing."""
    parts, stack_hours = settle(draft.emissions, stored, draft.sources)
    return Ledger(
        draft.device_hours,
        energy_hours(draft.energy, draft.heard),
        emission_hours(parts, draft.heard_of),
        sorted(stack_hours, key=lambda row: row[:4]),
        sorted_findings(draft.findings),
    )


def _portions(readings: Readings) -> Iterator[Readings]:
    """The readings by as many devices as a track has room for, and about as many readings as the processor
    keeps at hand."""
    count = len(readings.devices)
    begins = np.searchsorted(readings.device, np.arange(count + 1))
    first = 0
    while first < count:
        last = int(np.searchsorted(begins, begins[first] + _TRACK_READINGS, "right")) - 1
        last = min(max(last, first + 1), first + MAX_DEVICES, count)
        portion = readings.where(slice(int(begins[first]), int(begins[last])))
        yield replace(portion, devices=readings.devices[first:last], device=portion.device - first)
        first = last


def _parts(shapes: Shapes, plan: Plan) -> tuple[list[EnergyPart], list[Part]]:
    """What the devices of the track contribute to the energy view and to their sources."""
    track = shapes.track
    calculator = Calculator(shapes)
    judge = Judge(shapes)
    uses: list[tuple[int, EnergyUse]] = []
    conversions: list[tuple[int, Conversion]] = []
    wanted: dict[Calculation, int] = {}
    for device, epoch in calculator.epochs:
        key = track.devices[device]
        site = plan.sites.get(key.site)
        if site is None:
            continue
        if (use := site.uses(epoch).get(key)) is not None:
            uses.append((_want(wanted, device, epoch, use), use))
        for conversion in site.conversions(epoch).get(key, ()):
            conversions.append((_want(wanted, device, epoch, conversion), conversion))
    calculations = list(wanted)
    amounts = calculator.amounts(calculations)
    return (
        [EnergyPart(*_hour(track, amount), use, amount) for index, use in uses for amount in amounts[index]],
        [
            Part(
                *_hour(track, amount),
                calculations[index].epoch,
                conversion,
                amount,
                judge.of(conversion, amount.slot),
            )
            for index, conversion in conversions
            for amount in amounts[index]
        ],
    )


def _want(wanted: dict[Calculation, int], device: int, epoch: int, of: Conversion | EnergyUse) -> int:
    """The number of the calculation that `of` needs; the same one where energy and emissions rest on the
    same."""
    evidence = of.evidence if isinstance(of, Conversion) else ()
    calculation = Calculation(device, epoch, of.quantity, of.formula, of.params, evidence)
    return wanted.setdefault(calculation, len(wanted))


def _hour(track: Track, amount: Amount) -> tuple[int, int]:
    begin = int(track.slots.hour_us[amount.slot])
    return begin, begin + int(track.slots.length_us[amount.slot])


def _inside(part: Part, sources: Mapping[SourceKey, Window]) -> bool:
    window = sources.get(part.conversion.source)
    return window is not None and window.begin_us <= part.hour_us < window.end_us


def _heard(readings: Readings) -> dict[DeviceKey, Heard]:
    """The first and last reading of each device, whatever its status."""
    if len(readings) == 0:
        return {}
    device, time = readings.device, readings.time
    first = np.flatnonzero(np.diff(device, prepend=-1))
    last = np.append(first[1:], len(device)) - 1
    return {
        readings.devices[of]: Heard(begin, end)
        for of, begin, end in zip(
            device[first].tolist(), time[first].tolist(), time[last].tolist(), strict=True
        )
    }


def _of_sources(
    heard: Mapping[DeviceKey, Heard], plan: Plan, sources: Iterable[SourceKey]
) -> dict[SourceKey, Heard]:
    result = {}
    for source in sources:
        members: Sequence[Heard] = [heard[key] for key in plan.members(source) if key in heard]
        if members:
            result[source] = Heard(
                min(each.first_us for each in members), max(each.last_us for each in members)
            )
    return result
