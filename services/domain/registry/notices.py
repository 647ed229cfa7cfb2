"""Warnings of a new registry beside the one in force: what may be changed and is easily overlooked."""

from __future__ import annotations

from collections.abc import Iterator

from services.domain.registry.clock import local_text, zone
from services.domain.registry.model import Contract, Registry, Site, Source
from services.domain.registry.problems import Place, Problem


def notices(old: Registry, new: Registry) -> list[Problem]:
    """Dated things that are taken back: events, and contracts of electricity."""
    found: list[Problem] = []
    for site_id, site in new.sites.items():
        before = old.sites.get(site_id)
        if before is not None:
            place = ("sites", site_id)
            found += _events(before, site, (*place, "events"))
            for source_id in before.sources.keys() & site.sources.keys():
                where = (*place, "sources", source_id)
                found += _taken_back(before.sources[source_id], site.sources[source_id], site, where)
    return found


def _events(old: Site, new: Site, place: Place) -> Iterator[Problem]:
    kept = {(each.device, each.at) for each in new.events}
    for event in old.events:
        if (event.device, event.at) not in kept:
            message = (
                f"no longer has meter_replaced of {event.device} at "
                f"{local_text(event.at, zone(new.timezone))}: hours from then on are computed anew, as if "
                "its register had gone on. Put it back if the meter was replaced."
            )
            yield Problem(place, message, warning=True)


def _taken_back(old: Source, new: Source, site: Site, place: Place) -> Iterator[Problem]:
    yield from _contracts(old, new, site, (*place, "contracts"))
    yield from _stocks(old, new, site, (*place, "stocks"))


def _contracts(old: Source, new: Source, site: Site, place: Place) -> Iterator[Problem]:
    kept = {_key(each) for each in new.contracts}
    for contract in old.contracts:
        if _key(contract) not in kept:
            message = (
                f"no longer has contract {contract.contract} from "
                f"{local_text(contract.from_, zone(site.timezone))} on: market-based hours from then on are "
                "computed anew, as if nothing had been bought under it."
            )
            yield Problem(place, message, warning=True)


def _stocks(old: Source, new: Source, site: Site, place: Place) -> Iterator[Problem]:
    kept = {(each.material, each.at) for each in new.stocks}
    for stock in old.stocks:
        if (stock.material, stock.at) not in kept:
            message = (
                f"no longer has the inventory of {stock.material} at "
                f"{local_text(stock.at, zone(site.timezone))}: hours around it are computed anew without it."
            )
            yield Problem(place, message, warning=True)


def _key(contract: Contract) -> tuple[object, ...]:
    return contract.contract, contract.from_
