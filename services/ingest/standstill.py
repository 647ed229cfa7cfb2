"""When a stack stands still: readings of status `stopped` that show what its source names as evidence.

As in the ledger (services.domain.ledger.standstill), but of the readings of one batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.domain.ledger.hours import BoolArray
from services.domain.quantities import NAMES, Kind
from services.domain.stack import Evidence
from services.ingest.gauges import Sent


class Standstill:
    """Of sources with one flow quantity and the same evidence."""

    def __init__(self, kind: Kind, flow: str, evidence: Sequence[Evidence]) -> None:
        columns = {name: column for column, name in enumerate(NAMES[kind])}
        self._flow = columns[flow]
        self._evidence = [
            (
                columns[each.quantity],
                -np.inf if each.at_least is None else each.at_least,
                np.inf if each.at_most is None else each.at_most,
            )
            for each in evidence
        ]
        self.column = len(columns)
        """Of what `seen_in` adds."""

    def seen_in(self, sent: Sent) -> Sent:
        """The readings with a flow of 0 where the stack stood still, and one more column: 1 there, 0 where
        the flow says otherwise, NaN where nothing is said of it."""
        stood = self._stood(sent)
        flow = np.where(stood, 0.0, sent.values[:, self._flow])
        none = np.zeros(len(flow), np.bool_)
        silent = none if sent.silenced is None else sent.silenced[:, self._flow]
        said = ~np.isnan(flow) | silent
        state = np.where(stood, 1.0, np.where(said, 0.0, np.nan))
        # The last column stays the one that was never sent.
        values = np.insert(sent.values, self.column, state, axis=1)
        values[:, self._flow] = flow
        if sent.silenced is None:
            return sent._replace(values=values)
        silenced = np.insert(sent.silenced, self.column, none, axis=1)
        silenced[:, self._flow] &= ~stood
        return sent._replace(values=values, silenced=silenced)

    def _stood(self, sent: Sent) -> BoolArray:
        if sent.silenced is None or sent.stopped is None or sent.raw is None:
            return np.zeros(len(sent.values), np.bool_)
        columns = [column for column, _, _ in self._evidence]
        unsaid = np.isnan(sent.raw[:, self._flow]) & ~sent.silenced[:, self._flow]
        stopped: BoolArray = sent.stopped[:, self._flow] | (unsaid & sent.stopped[:, columns].any(axis=1))
        for column, lowest, highest in self._evidence:
            value = sent.raw[:, column]
            counts = ~sent.silenced[:, column] | sent.stopped[:, column]
            stopped = stopped & counts & (value >= lowest) & (value <= highest)
        return stopped
