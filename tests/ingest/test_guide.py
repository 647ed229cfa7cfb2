"""The device guide says what the code does."""

from __future__ import annotations

from pathlib import Path

from services.domain.outcome import Reason
from services.domain.quantities import QUANTITIES, Quantity, Status

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")


def row(kind: str, quantity: Quantity) -> str:
    unit = "true, false" if quantity.boolean else quantity.unit
    low, high = ("" if bound is None else f"{bound:g}" for bound in (quantity.minimum, quantity.maximum))
    register = "R" if quantity.register else ""
    return f"| {kind} | `{quantity.name}` | {unit} | {register} | {low} | {high} | {quantity.description} |"


def test_it_lists_every_quantity() -> None:
    rows = [row(kind, quantity) for kind, of_kind in QUANTITIES.items() for quantity in of_kind]
    assert [line for line in GUIDE.splitlines() if line in rows] == rows


def test_it_names_every_reason_and_status() -> None:
    for reason in Reason:
        assert f"\n| `{reason}` | " in GUIDE
    for status in Status:
        assert f"`{status}`" in GUIDE
