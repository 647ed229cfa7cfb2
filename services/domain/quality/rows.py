"""What is found: the kinds of findings, and the row of one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from services.domain.reading import DeviceKey

NO_QUANTITY: Final = 0
"""In place of a quantity's code: the finding is of the device."""
MOST_PER_HOUR: Final = 6
"""So many findings of a kind, of one quantity of a device, are told apart in an hour; more are told as
one."""


class FindingKind(StrEnum):
    """What can be strange. What the numbers of a finding mean says `Finding`."""

    GAP = "gap"
    SEQ_HOLE = "seq_hole"
    STUCK = "stuck"
    STANDING_REGISTER = "standing_register"
    SPIKE = "spike"
    NEGATIVE_FLOW = "negative_flow"
    ABOVE_RATING = "above_rating"
    REGISTER_BACK = "register_back"
    REPEATED_FRAME = "repeated_frame"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"


class Finding(NamedTuple):
    """What is strange in one quantity of a device, within one hour. It goes on over hours in which it
    `continues`.

    | kind | readings | low, high | bound |
    |---|---|---|---|
    | gap | missing | | longest silence without a finding [s] |
    | seq_hole | missing | number before, number after | |
    | stuck | that show the value | the value | longest standing without a finding [s] |
    | standing_register | that show it | least and largest rate meanwhile, in the rate's unit | as stuck |
    | spike | 1 | neighbours and spike, in order | largest jump and return without a finding |
    | negative_flow | below the bound | least, largest | lowest flow without a finding |
    | above_rating | of a rate: above | least, largest; of a register: before, after | largest without one |
    | register_back | 2 | after, before | |
    | repeated_frame | repeated | | |
    | clock_ahead, clock_behind | so stamped | least and largest time from stamp to arrival [s] | as there |
    """

    device: DeviceKey
    kind: FindingKind
    quantity: int
    """Its code, or NO_QUANTITY."""
    hour: datetime
    """In which the row is: that of its last reading; of a gap, that of the silence."""
    begin: datetime
    end: datetime
    continues: bool
    """Whether it is one with the row of the hour before."""
    events: int
    """How many began here: more than one where there were more than MOST_PER_HOUR; 0 where it only goes
    on."""
    readings: int
    low: float | None
    high: float | None
    bound: float | None
