"""Hours of judged stacks between ledger and database: what they look back on, and what they re-open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from services.domain.conversion import SourceKey
from services.domain.ledger.histories import ItemKey, history_of
from services.domain.ledger.hours import from_us
from services.domain.ledger.kernel import Draft
from services.domain.ledger.rows import StackHour
from services.domain.ledger.stacks import wanted
from services.domain.reading import DeviceKey
from services.domain.registry.model import Registry
from services.domain.substitution import History, Policy
from services.store.ledger_rows import Span, Written, write_stack_hours
from services.store.pool import Connection
from services.store.stack_hours import LookBack, look_back, reopen, touched


class JudgedSources(NamedTuple):
    """The sources whose hours are judged at any time: only these have rows; and those with substitution."""

    judged: frozenset[SourceKey] = frozenset()
    substituted: frozenset[SourceKey] = frozenset()


def judged_sources(registry: Registry) -> JudgedSources:
    """By what the registry says of any time."""
    rules = [
        (SourceKey(site_id, source_id), facts.stack)
        for site_id, site in registry.sites.items()
        for source_id, source in site.sources.items()
        for facts in source.facts
        if facts.stack is not None and facts.stack.hour_validity is not None
    ]
    return JudgedSources(
        frozenset(source for source, _ in rules),
        frozenset(source for source, each in rules if each.substitution is not Policy.NONE),
    )


async def histories(
    connection: Connection,
    draft: Draft,
    sources: Mapping[SourceKey, int],
    devices: Mapping[DeviceKey, int],
) -> dict[ItemKey, History]:
    """What the missing hours of a draft follow from, outside its windows. Raises psycopg.Error."""
    keys = wanted(draft.emissions)
    if not keys:
        return {}
    asked = [
        LookBack(
            sources[key.source],
            devices[key.device],
            key.item,
            from_us(draft.sources[key.source].begin_us),
            from_us(draft.sources[key.source].end_us),
            always,
        )
        for key, always in keys.items()
    ]
    found = await look_back(connection, asked)
    return {key: history_of(key.item, *stored) for key, stored in zip(keys, found, strict=True)}


async def write(
    connection: Connection,
    rows: Sequence[StackHour],
    sources: Mapping[SourceKey, int],
    devices: Mapping[DeviceKey, int],
    spans: Sequence[Span],
    substituted: Collection[SourceKey],
) -> Written:
    """Make `rows` the stack-hours of the spans, and note what else follows from what changed in sources with
    substitution. Raises psycopg.Error."""
    if not spans:
        return Written(0, 0)
    compared = [
        (sources[row.source], devices[row.device], row.item, row.hour, row.ran_h, row.measured)
        for row in rows
    ]
    substituting = {sources[source] for source in substituted}
    found = await touched(connection, compared, spans)
    changes = [each for each in found if each.source_id in substituting]
    written = await write_stack_hours(connection, rows, sources, devices, spans)
    if changes:
        await reopen(connection, changes, spans)
    return written
