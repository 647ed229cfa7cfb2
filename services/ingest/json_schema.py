"""The JSON Schema of each kind's payload, made from the wire model.

`python -m services.ingest.json_schema` writes docs/schemas; a test holds the files equal to the definition,
and schema and decoder to each other.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from services.domain.quantities import QUANTITIES, STATUS_WORDS, Kind, Quantity
from services.ingest.wire import MAX_ELEMENTS, ONE

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "schemas"

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

# RFC 3339, section 5.6, with the days that a month may have: the decoder looks at the calendar itself. Only a
# 29 February of a year that has none is left to it.
_DAY: Final = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))"
)
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
_ZONE: Final = "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
TS_PATTERN: Final = rf"^(?!0000)[0-9]{{4}}-{_DAY}[Tt ]{_CLOCK}{_ZONE}$"

_DESCRIPTION: Final = (
    "One reading, or 1 to 1,000 of them (store and forward), as UTF-8 JSON of at most 256 KiB. Fields that "
    "are not named here never sink a reading. Where one reading of an array does not match, it alone is "
    "rejected. What a schema cannot say: ts is a real instant, at most 5 minutes ahead and 400 days old; "
    "what is sent again for the same ts does not contradict what is stored; nesting is at most 200 levels "
    "deep; seq has no decimal point."
)


def payload_schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what a device of `kind` may send."""
    reading: dict[str, Any] = _tidy(ONE[kind].json_schema())
    status = reading.pop("$defs")[f"{kind.capitalize()}Status"]
    properties = reading["properties"]
    properties["ts"]["pattern"] = TS_PATTERN
    properties["seq"]["description"] = "the device's own count, at most 64 bits"
    for quantity in QUANTITIES[kind]:
        properties[quantity.name].update(_unit_of(quantity))
    reading["anyOf"] = [_measured(quantity) for quantity in QUANTITIES[kind]]
    return {
        "$schema": DRAFT,
        "$id": f"urn:carbonflow:telemetry:v1:{kind}",
        "title": f"Payload of telemetry/v1/{{site}}/{kind}/{{device}}",
        "description": _DESCRIPTION,
        "anyOf": [
            {"$ref": "#/$defs/reading"},
            {
                "type": "array",
                "items": {"$ref": "#/$defs/reading"},
                "minItems": 1,
                "maxItems": MAX_ELEMENTS,
            },
        ],
        "$defs": {
            "reading": reading,
            "status_by_quantity": status,
            "status_word": {"type": "string", "enum": [str(word) for word in STATUS_WORDS]},
        },
    }


def _unit_of(quantity: Quantity) -> dict[str, Any]:
    """Annotations that no validator looks at."""
    unit = {} if quantity.boolean else {"x-unit": quantity.unit}
    return {"description": quantity.description, **unit, "x-register": quantity.register}


def _measured(quantity: Quantity) -> dict[str, Any]:
    """This one is there and not null: a reading needs one such quantity."""
    return {"required": [quantity.name], "properties": {quantity.name: {"not": {"type": "null"}}}}


def _tidy(made: Any) -> Any:
    """What pydantic makes, without titles and defaults, and with names for what comes often."""
    if isinstance(made, list):
        return [_tidy(each) for each in made]
    if not isinstance(made, dict):
        return made
    if "enum" in made:
        return {"$ref": "#/$defs/status_word"}
    if "$ref" in made:
        return {"$ref": "#/$defs/status_by_quantity"}
    match made.get("anyOf"):
        case [{"type": str(type_), **bounds}, {"type": "null"}] if "enum" not in bounds:
            rest = {name: each for name, each in made.items() if name not in ("anyOf", "title", "default")}
            return {"type": [type_, "null"], **bounds, **rest}
    return {name: _tidy(each) for name, each in made.items() if name not in ("title", "default")}


def documents() -> dict[str, str]:
    """The text of each file of docs/schemas."""
    return {
        f"{kind}.json": json.dumps(payload_schema(kind), indent=2, ensure_ascii=False) + "\n" for kind in Kind
    }


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
