"""The wire model: what a reading looks like in JSON, made from the definition of the quantities.

One pydantic TypeAdapter per kind validates the raw bytes. Of a key that occurs twice the last value counts.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from services.domain.quantities import QUANTITIES, STATUS_WORDS, Kind, Quantity
from services.ingest.timestamps import RFC3339

MAX_ELEMENTS: Final = 1000
"""Readings in one array (contract, section 2)."""

Fields = dict[str, Any]
"""A validated reading: `ts`, `seq`, `status`, every quantity of the kind in order, then what is not known."""

FIXED_FIELDS: Final = ("ts", "seq", "status")

# Strict: no string is taken for a number, no number for a boolean. Unknown fields are kept.
_STRICT: Final = ConfigDict(strict=True, extra="allow")

Timestamp = Annotated[str, Field(pattern=RFC3339, description="device time, RFC 3339 with zone")]
Sequence = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
StatusWord: Any = Literal[tuple(str(word) for word in STATUS_WORDS)]


def _typed_dict(name: str, fields: dict[str, Any], *, total: bool = True) -> Any:
    make: Any = TypedDict  # the type checker knows only those written out
    typed = make(name, fields, total=total)
    typed.__pydantic_config__ = _STRICT
    return typed


def _value_type(quantity: Quantity) -> Any:
    value: Any = bool
    if not quantity.boolean:
        value = Annotated[float, Field(ge=quantity.minimum, le=quantity.maximum, allow_inf_nan=False)]
    description = f"{quantity.description} [{quantity.unit}]"
    return Annotated[value | None, Field(default=None, description=description)]


def _status_type(kind: Kind) -> Any:
    words = {quantity.name: StatusWord | None for quantity in QUANTITIES[kind]}
    by_quantity = _typed_dict(f"{kind.capitalize()}Status", words, total=False)
    description = "one word for the whole reading, or an object {quantity: word}"
    return Annotated[StatusWord | by_quantity | None, Field(default=None, description=description)]


def reading_type(kind: Kind) -> Any:
    """The TypedDict of a reading of `kind`; quantities that are missing become None."""
    fields = {
        "ts": Timestamp,
        "seq": Annotated[Sequence | None, Field(default=None)],
        "status": _status_type(kind),
        **{quantity.name: _value_type(quantity) for quantity in QUANTITIES[kind]},
    }
    return _typed_dict(f"{kind.capitalize()}Reading", fields)


def _array_type(kind: Kind) -> Any:
    return Annotated[list[reading_type(kind)], Field(max_length=MAX_ELEMENTS, fail_fast=True)]  # type: ignore[misc]


ONE: Final = MappingProxyType({kind: TypeAdapter[Fields](reading_type(kind)) for kind in Kind})
"""Validates one reading of a kind from JSON."""

MANY: Final = MappingProxyType({kind: TypeAdapter[list[Fields]](_array_type(kind)) for kind in Kind})
"""Validates an array of readings of a kind from JSON; fails at the first that is wrong."""
