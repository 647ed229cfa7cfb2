"""The ledger reads what is stored, by stretches of devices' time or through the time of many."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.domain.ledger.hours import to_us
from services.domain.quantities import NAMES, STATUS_CODES, Kind, Status
from services.domain.reading import DeviceKey, Reading
from services.store.devices import create_devices
from services.store.ledger_raw import RawReadings, Sent, read_readings
from services.store.ledger_readings import Stretch
from services.store.pool import Connection, connect
from services.store.reading_columns import columns_of, copy_readings

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
KIND = Kind.BELTSCALE
HOUR = timedelta(hours=1)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with await connect(database_url, name="tests of the ledger's reading") as connection:
        yield connection


def some_readings(devices: int, per_device: int, names: tuple[str, ...], seed: int = 0) -> list[Reading]:
    """Readings in the order of their times, some with statuses, of some quantities."""
    chance = random.Random(seed)
    rows = []
    for number in range(per_device):
        for device in range(devices):
            values: list[Any] = [None] * len(NAMES[KIND])
            for name in names:
                if chance.random() < 0.8:
                    value = chance.uniform(0, 100)
                    values[NAMES[KIND].index(name)] = value < 50 if name == "running" else value
            status, words = Status.VALID, None
            if chance.random() < 0.2:
                status = chance.choice([Status.STOPPED, Status.FAULT])
            elif chance.random() < 0.1:
                words = '{"mass_t":"manual"}'
            time = T0 + timedelta(seconds=30 * number + device / 7, microseconds=chance.randrange(10**6))
            key = DeviceKey("s", KIND, f"d{device:03d}")
            seq = number if chance.random() < 0.9 else None
            rows.append(Reading(key, time, seq, tuple(values), STATUS_CODES[status], words))
    return rows


async def store(connection: Connection, rows: list[Reading]) -> dict[DeviceKey, int]:
    ids = await create_devices(connection, {row.device for row in rows})
    device_ids = np.array([ids[row.device] for row in rows], np.int64)
    times = np.array([to_us(row.time) for row in rows], np.int64)
    received = times + 1_234_567
    await copy_readings(connection, [columns_of(KIND, device_ids, times, received, rows)])
    await connection.commit()
    return ids


def as_rows(raw: RawReadings) -> set[tuple[Any, ...]]:
    """What was read, reading by reading; NaN as None."""
    columns = [
        raw.values[name].tolist() if name in raw.values else [None] * len(raw.time) for name in NAMES[KIND]
    ]
    rows = zip(raw.device_id.tolist(), raw.time.tolist(), raw.received_at.tolist(), raw.seq.tolist(),
               raw.status.tolist(), *columns, strict=True)  # fmt: skip
    return {
        (*(None if each != each else each for each in row), raw.quantity_status.get(index))
        for index, row in enumerate(rows)
    }


def expected(rows: list[Reading], ids: dict[DeviceKey, int]) -> set[tuple[Any, ...]]:
    return {
        (
            ids[row.device],
            to_us(row.time),
            to_us(row.time) + 1_234_567,
            row.seq,
            row.status,
            *(None if value is None else float(value) for value in row.values),
            row.quantity_status,
        )
        for row in rows
    }


def stretches(ids: dict[DeviceKey, int]) -> list[Stretch]:
    return [Stretch(device_id, T0 - HOUR, T0 + HOUR) for device_id in ids.values()]


@pytest.mark.anyio
@pytest.mark.parametrize("devices", [3, 40])
async def test_what_is_stored_is_read(connection: Connection, devices: int) -> None:
    rows = some_readings(devices, 20, ("mass_t", "rate_t_h", "running"))
    ids = await store(connection, rows)
    raw = await read_readings(connection, KIND, stretches(ids), Sent())
    assert as_rows(raw) == expected(rows, ids)
    assert set(raw.values) == {"mass_t", "rate_t_h", "running"}


@pytest.mark.anyio
async def test_only_the_stretches_are_read_of_a_few_devices(connection: Connection) -> None:
    rows = some_readings(2, 40, ("mass_t",))
    ids = await store(connection, rows)
    first, second = sorted(ids.values())
    middle = T0 + timedelta(minutes=10)
    wanted = [Stretch(first, T0, middle), Stretch(second, middle, T0 + HOUR)]
    raw = await read_readings(connection, KIND, wanted, Sent())
    taken = [row for row in rows if (row.time < middle) == (ids[row.device] == first)]
    assert as_rows(raw) == expected(taken, ids)


@pytest.mark.anyio
async def test_a_quantity_that_was_not_sent_before_is_read_as_well(connection: Connection) -> None:
    sent = Sent()
    ids = await store(connection, earlier := some_readings(2, 20, ("mass_t",)))
    await read_readings(connection, KIND, stretches(ids), sent)
    assert sent.of(KIND) == ("mass_t",)
    later = [row._replace(time=row.time + HOUR / 2) for row in some_readings(2, 20, ("speed_m_s", "running"))]
    await store(connection, later)
    raw = await read_readings(connection, KIND, stretches(ids), sent)
    assert as_rows(raw) == expected([*earlier, *later], ids)
    assert sent.of(KIND) == ("mass_t", "speed_m_s", "running")


@pytest.mark.anyio
async def test_where_nothing_is_stored_nothing_is_read(connection: Connection) -> None:
    ids = await store(connection, some_readings(1, 1, ("mass_t",)))
    far = [Stretch(device_id, T0 + 5 * HOUR, T0 + 6 * HOUR) for device_id in ids.values()]
    for wanted in ([], far):
        raw = await read_readings(connection, KIND, wanted, Sent())
        assert len(raw.time) == len(raw.status) == 0
        assert not raw.values
        assert not raw.quantity_status
