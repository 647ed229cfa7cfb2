"""Which readings are in order: at once for a batch as it would be for one reading after the other."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.domain.ledger.hours import from_us
from services.domain.quantities import NAMES, Kind
from services.domain.reading import DeviceKey, Reading
from services.ingest.gauges import UNKNOWN_US
from services.ingest.known import Known, Newest
from services.ingest.message import Message, Received
from services.ingest.plan import part

SECOND_US = 1_000_000
NOTHING = (None,) * len(NAMES[Kind.METER])


def received(device_id: int, time: datetime) -> Received:
    key = DeviceKey("site", Kind.METER, f"m{device_id}")
    return Received(*Reading(key, time, None, NOTHING), Message("topic", b"", 1, time), None)


@given(
    came=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 8)), min_size=1, max_size=30),
    stored=st.fixed_dictionaries({device: st.integers(-1, 8) for device in range(1, 5)}),
)
def test_a_batch_is_parted_as_single_readings_are(
    came: list[tuple[int, int]], stored: dict[int, int]
) -> None:
    newest = {device: second * SECOND_US for device, second in stored.items()}
    in_order, suspects = [], []
    for row, (device, second) in enumerate(came):
        if second * SECOND_US > newest[device]:
            newest[device] = second * SECOND_US
            in_order.append(row)
        else:
            suspects.append(row)

    units = [received(device, from_us(second * SECOND_US)) for device, second in came]
    device_ids = np.array([device for device, _ in came], np.int64)
    last = np.array([stored[device] * SECOND_US for device, _ in came], np.int64)
    times = np.array([second * SECOND_US for _, second in came], np.int64)
    parted = part(Kind.METER, units, device_ids, times, last)

    assert sorted(parted.in_order.tolist()) == in_order
    by_device = [(came[row][0], came[row][1]) for row in parted.in_order.tolist()]
    assert by_device == sorted(by_device)
    assert parted.suspects.tolist() == suspects
    found = dict(zip(*(column.tolist() for column in parted.newest()), strict=True))
    assert found == {device: newest[device] for device in {came[row][0] for row in in_order}}


def test_what_is_known_grows_and_is_forgotten() -> None:
    known = Known()
    one, far = np.array([1], np.int64), np.array([5_000], np.int64)
    key = DeviceKey("site", Kind.METER, "m1")
    known.learn({key: 1}, [(one, np.array([7])), (far, np.array([8])), (one, np.array([9]))])
    assert known.newest.of(np.array([1, 2, 5_000, 9_999])).tolist() == [9, UNKNOWN_US, 8, UNKNOWN_US]
    known.forget([received(1, from_us(0))])
    assert known.newest.of(np.array([1, 5_000])).tolist() == [UNKNOWN_US, 8]
    assert Newest().of(np.empty(0, np.int64)).tolist() == []
