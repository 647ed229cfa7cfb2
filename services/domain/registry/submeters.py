"""Main meters and the sub-meters below them, over time, with what is stated of how certain each is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from services.domain.reading import DeviceKey
from services.domain.registry.facts import begins, device_facts_at
from services.domain.registry.model import DeviceFacts, Registry, Site
from services.domain.registry.projection import device_key, earlier, periods_of


class SubmeterPeriod(NamedTuple):
    """A sub-meter directly below a main meter from an instant until another; None is for ever."""

    device: DeviceKey
    main: DeviceKey
    valid_from: datetime
    valid_to: datetime | None
    uncertainty_pct: float | None
    main_uncertainty_pct: float | None


def submeter_periods(registry: Registry) -> Iterator[SubmeterPeriod]:
    """The periods of every sub-meter, in order."""
    for site_id, site in registry.sites.items():
        for ref, device in site.devices.items():
            mains = {entry.submeter_of for entry in device.facts if entry.submeter_of in site.devices}
            if not mains:
                continue
            above = [site.devices[main] for main in mains if main is not None]
            moments = {at for each in (device, *above) for at in begins(each.facts)}
            moments |= {each.ended for each in above if each.ended is not None}
            values = [(at, _value(site, ref, at)) for at in sorted(moments)]
            for begin, stop, value in periods_of(values, earlier(device.ended, site.ended)):
                if value is not None:
                    main, own_pct, main_pct = value
                    keys = device_key(site_id, ref), device_key(site_id, main)
                    yield SubmeterPeriod(*keys, begin, stop, own_pct, main_pct)


def _value(site: Site, ref: str, at: datetime) -> tuple[str, float | None, float | None] | None:
    facts = device_facts_at(site.devices[ref], at)
    if facts is None or facts.submeter_of is None or facts.submeter_of not in site.devices:
        return None
    main = device_facts_at(site.devices[facts.submeter_of], at)
    return None if main is None else (facts.submeter_of, _stated_pct(facts), _stated_pct(main))


def _stated_pct(facts: DeviceFacts) -> float | None:
    """What is calibrated, else the accuracy class."""
    return facts.accuracy_pct if facts.uncertainty_pct is None else facts.uncertainty_pct
