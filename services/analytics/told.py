"""What was found of an hour, in the shape in which it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.analytics.explanation import ExplainedLine, ExplainedStep, MadeBy, ReadingsUsed
from services.domain.ledger.register_steps import RegisterStep
from services.domain.quantities import quantity
from services.store.explaining import Corrected


def told_step(step: RegisterStep) -> ExplainedStep:
    return ExplainedStep(
        about=f"{step.device.kind}/{step.device.device}",
        quantity=step.quantity,
        unit=quantity(step.device.kind, step.quantity).unit,
        begin=step.begin,
        end=step.end,
        movement=step.movement,
        read_as=step.read_as.name.lower(),
        in_hour=step.in_hour,
        estimated=step.estimated,
    )


def told_correction(each: Corrected) -> ExplainedLine:
    said = [each.action, each.quantity or "all", *([] if each.value is None else [f"{each.value:g}"])]
    of = f"of readings from {each.begin.isoformat()} to {each.end.isoformat()}"
    entered = f"correction {each.correction} of {each.author}, {each.recorded_at.isoformat()}"
    return ExplainedLine(
        about=each.device,
        name="correction",
        value=" ".join(said),
        unit=each.unit or "",
        by=f"{entered}, {of}: {each.reason}",
    )


def made_by(kept: Mapping[str, Any] | None) -> MadeBy | None:
    if kept is None or kept["version"] is None:
        return None
    return MadeBy(
        version=kept["version"],
        code=kept["code"],
        libraries=kept["libraries"],
        registry_version=kept["registry_version"],
    )


def read_of(kept: Mapping[str, Any] | None) -> ReadingsUsed | None:
    if kept is None or kept["readings"] is None:
        return None
    return ReadingsUsed(readings=kept["readings"], first=kept["read_from"], last=kept["read_to"])
