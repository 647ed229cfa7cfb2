"""The recipe of an hour: by which facts, formulas, parameters and factors what the devices of a source send
becomes its activity and emissions.

Thousands of hours have the same recipe, so it is kept once, by the hash of what it says, and an hour names
it. It says nothing of when it was made: computed again it is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import UUID

from services.domain.conversion import Conversion, Member, SourceKey
from services.domain.ledger.plan import Plan, SitePlan
from services.domain.ledger.rows import SourceBasis
from services.domain.reading import DeviceKey
from services.domain.recipe import document, part, stocks_between, stretch

_ID_BYTES: Final = 16


class Recipe(NamedTuple):
    """One recipe. `id` is the first half of the SHA-256 of `document`, which is JSON; `feeds` are the
    quantities that the activity is counted by."""

    id: UUID
    document: str
    feeds: tuple[tuple[DeviceKey, str], ...]
    changes: bool
    """Whether the next hour's may be another though no facts change: where stocks do."""


class Recipes:
    """The recipes of a plan, each made when it is first asked for."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._made: dict[tuple[object, ...], Recipe] = {}
        self._members: dict[tuple[str, int], Mapping[str, list[Member]]] = {}

    def of(self, basis: SourceBasis, begin_us: int, end_us: int) -> Recipe:
        """That of an hour of a source which the plan knows."""
        site = self._plan.sites[basis.site]
        epochs = site.epochs(begin_us, end_us)
        stocks = stocks_between(site.site.sources[basis.source].stocks, begin_us, end_us)
        key = basis, epochs, stocks
        if key not in self._made:
            self._made[key] = self._make(site, basis, epochs, stocks)
        return self._made[key]

    def _make(self, site: SitePlan, basis: SourceBasis, epochs: range, stocks: tuple[object, ...]) -> Recipe:
        stretches: list[dict[str, Any]] = []
        feeds: list[tuple[DeviceKey, str]] = []
        for epoch in epochs:
            at = site.start(epoch)
            pairs = list(self._pairs(site, basis, epoch))
            if not pairs:
                continue
            parts = [part(conversion, member, site.factors, at) for conversion, member in pairs]
            begins = at if stretches else None
            stretches.append(stretch(site.site, pairs[0], begins, at, parts))
            feeds += [(conversion.device, conversion.quantity) for conversion, _ in pairs]
        text = document(basis, site.site, stretches, stocks)
        digest = sha256(text.encode()).digest()
        return Recipe(UUID(bytes=digest[:_ID_BYTES]), text, tuple(dict.fromkeys(feeds)), bool(stocks))

    def _pairs(self, site: SitePlan, basis: SourceBasis, epoch: int) -> Iterator[tuple[Conversion, Member]]:
        """What is in force in an epoch, in the order in which the kernel adds it up."""
        if (basis.site, epoch) not in self._members:
            self._members[basis.site, epoch] = site.members_in(epoch)
        source = SourceKey(basis.site, basis.source)
        members = self._members[basis.site, epoch].get(basis.source, [])
        compiled = site.conversions(epoch)
        for device in self._plan.members(source):
            ref = f"{device.kind}/{device.device}"
            of_device = [each for each in members if each.device == ref]
            conversions = [
                each
                for each in compiled.get(device, ())
                if each.source == source and (each.basis or "none") == basis.basis
            ]
            pairs = zip(conversions, of_device, strict=bool(conversions))
            yield from sorted(pairs, key=lambda pair: pair[0].quantity)
