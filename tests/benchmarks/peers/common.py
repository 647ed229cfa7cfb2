"""What the two usual ways share: a hypertable, and a row made of a message."""

from __future__ import annotations

import json
from typing import Any, Final

import psycopg

COLUMNS: Final = (
    "time", "topic", "energy_import_kwh", "power_kw", "voltage_v", "current_a", "power_factor",
    "volume_nm3", "flow_nm3_h", "temperature_c", "pressure_kpa", "mass_t", "rate_t_h", "co2_pct", "o2_pct",
    "velocity_m_s",
)  # fmt: skip
_TABLE: Final = """
CREATE TABLE readings (
    time timestamptz NOT NULL, topic text NOT NULL,
    energy_import_kwh double precision, power_kw double precision, voltage_v double precision,
    current_a double precision, power_factor double precision, volume_nm3 double precision,
    flow_nm3_h double precision, temperature_c double precision, pressure_kpa double precision,
    mass_t double precision, rate_t_h double precision, co2_pct double precision, o2_pct double precision,
    velocity_m_s double precision
);
SELECT create_hypertable('readings', 'time');
"""


def make_table(url: str) -> None:
    """The usual table: no key, so that duplicates are stored twice."""
    with psycopg.connect(url) as connection:
        connection.execute(_TABLE)


def row(topic: str, payload: bytes) -> tuple[Any, ...]:
    """A row, unchecked."""
    fields = json.loads(payload)
    return (fields["ts"], topic, *map(fields.get, COLUMNS[2:]))
