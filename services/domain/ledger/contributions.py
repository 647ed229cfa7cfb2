"""What the devices of a source contributed to one of its hours, as it is kept beside the hour."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.domain.ledger.emissions import Part


def contributions(parts: Sequence[Part]) -> str | None:
    """The parts of an hour, in the order in which they are added up, as JSON: device, quantity, activity
    (null where unknown), covered share, estimated. None where there is one part: then the row itself says it.

    `stretch` counts the stretches of the hour between changes of facts, from 0 on; absent where there is one.
    """
    if len(parts) == 1:
        return None
    epochs = sorted({part.epoch for part in parts})
    return json.dumps([_part(part, epochs) for part in parts], separators=(",", ":"))


def _part(part: Part, epochs: Sequence[int]) -> dict[str, object]:
    device, amount = part.conversion.device, part.amount
    stretch = {"stretch": epochs.index(part.epoch)} if len(epochs) > 1 else {}
    return {
        "device": f"{device.kind}/{device.device}",
        "quantity": part.conversion.quantity,
        **stretch,
        "activity": amount.activity,
        "coverage": amount.covered_us / amount.length_us,
        "estimated": amount.estimated,
    }
