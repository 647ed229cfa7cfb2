"""SQL that follows from the definition of the quantities: a hypertable for each kind, and the view over them.

`python -m services.store.schema` writes the two generated files; a test holds them equal to the definition.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.domain.quantities import NAMES, QUANTITIES, STATUS_WORDS, Kind, Quantity

HERE: Final = Path(__file__).parent
TABLES_FILE: Final = HERE / "migrations" / "0002_readings.sql"
VIEW_FILE: Final = HERE / "views" / "10_readings.sql"

FIXED_COLUMNS: Final = ("device_id", "time", "received_at", "seq", "status", "quantity_status", "extra")
"""The columns every kind's hypertable begins with, in order; the quantities follow."""

_HEADER = "-- Made by `python -m services.store.schema` from services/domain/quantities.py.\n"


def reading_table(kind: Kind) -> str:
    """The hypertable of a kind's readings, with its schema."""
    return f"core.reading_{kind}"


def reading_columns(kind: Kind) -> tuple[str, ...]:
    """All columns of a kind's hypertable, in order."""
    return FIXED_COLUMNS + NAMES[kind]


def _column_type(quantity: Quantity) -> str:
    return "boolean" if quantity.boolean else "double precision"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _table_sql(kind: Kind) -> str:
    table = reading_table(kind)
    quantities = "".join(f"    {q.name} {_column_type(q)},\n" for q in QUANTITIES[kind])
    comments = "".join(
        f"COMMENT ON COLUMN {table}.{q.name} IS {_literal(f'{q.description} [{q.unit}]')};\n"
        for q in QUANTITIES[kind]
    )
    return f"""
CREATE TABLE {table} (
    device_id integer NOT NULL,
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    seq bigint,
    status smallint NOT NULL DEFAULT 0,
    quantity_status json,
    extra json,
{quantities}    PRIMARY KEY (device_id, time)
);
SELECT create_hypertable('{table}', 'time', chunk_time_interval => interval '1 day',
    create_default_indexes => false);
{comments}"""


def tables_sql() -> str:
    """The migration that makes one hypertable per kind: wide, typed, one row per reading."""
    return _HEADER + _TABLES_NOTE + "".join(_table_sql(kind) for kind in Kind)


_TABLES_NOTE = """\
-- A reading is one row: its quantities belong together. `quantity_status` and `extra` are json, not
-- jsonb: json keeps what a device sent as it was, and refuses no escaped NUL.
"""


def _status_case() -> str:
    words = ", ".join(_literal(word) for word in STATUS_WORDS)
    return f"coalesce(r.quantity_status ->> v.quantity, (ARRAY[{words}])[r.status + 1])"


def _view_branch(kind: Kind) -> str:
    rows = ",\n        ".join(
        f"({_literal(q.name)}, {_literal(q.unit)}, r.{q.name}{_AS_NUMBER if q.boolean else ''})"
        for q in QUANTITIES[kind]
    )
    # From the definitions alone, and into a file that is reviewed.
    return f"""SELECT r.time, r.received_at, d.site, d.device, d.kind, v.quantity, v.unit, v.value,
    {_status_case()} AS status
FROM {reading_table(kind)} r
JOIN core.device d USING (device_id)
CROSS JOIN LATERAL (VALUES
        {rows}
) AS v (quantity, unit, value)
WHERE v.value IS NOT NULL"""  # noqa: S608


_AS_NUMBER = "::integer::double precision"


def view_sql() -> str:
    """The view `api.readings`: one row per stored value."""
    return (
        _HEADER
        + "CREATE VIEW api.readings AS\n"
        + "\nUNION ALL\n".join(_view_branch(kind) for kind in Kind)
        + ";\n"
        + _READINGS_COMMENTS
    )


_READINGS_COMMENTS = """
COMMENT ON VIEW api.readings IS 'Every stored value, raw, one row per device, time and quantity.';
COMMENT ON COLUMN api.readings.time IS 'Device time of the reading.';
COMMENT ON COLUMN api.readings.received_at IS 'When ingest received the reading.';
COMMENT ON COLUMN api.readings.site IS 'Site id.';
COMMENT ON COLUMN api.readings.device IS 'Device id, unique within site and kind.';
COMMENT ON COLUMN api.readings.kind IS 'meter, flowmeter, cems or beltscale.';
COMMENT ON COLUMN api.readings.quantity IS 'What was measured; its unit is in the name.';
COMMENT ON COLUMN api.readings.unit IS 'Unit of value.';
COMMENT ON COLUMN api.readings.value IS 'The value as sent; running is 1 or 0.';
COMMENT ON COLUMN api.readings.status IS 'What the device says of it; valid counts, manual for registers.';
"""


def main() -> None:
    """Write the generated files."""
    TABLES_FILE.write_text(tables_sql(), encoding="utf-8")
    VIEW_FILE.write_text(view_sql(), encoding="utf-8")


if __name__ == "__main__":
    main()
