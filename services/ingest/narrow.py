"""The narrow wire model: readings as most devices send them, decoded by msgspec in a quarter of the time.

It takes only what `wire` takes too, with the same values: no unknown field, no status by quantity, no key
with a wrong value before the right one. What it refuses is looked at again by `wire`, which says why. Both
are made from the definition of the quantities; tests hold them to each other. Of `ts` it takes a little more
than RFC 3339 has: see `timestamps.all_zoned`.
"""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec

from services.domain.quantities import QUANTITIES, STATUS_WORDS, Kind, Quantity
from services.ingest.wire import MAX_ELEMENTS

_StatusWord: Any = Literal[tuple(str(word) for word in STATUS_WORDS)]
_Seq = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def _value_type(quantity: Quantity) -> Any:
    if quantity.boolean:
        return bool | None
    return Annotated[float, msgspec.Meta(ge=quantity.minimum, le=quantity.maximum)] | None


def _reading_type(kind: Kind) -> Any:
    """A struct with the fields of the wire model, in its order."""
    fields: list[tuple[str, Any, Any]] = [("seq", _Seq | None, None), ("status", _StatusWord | None, None)]
    fields += [(quantity.name, _value_type(quantity), None) for quantity in QUANTITIES[kind]]
    # Without reference cycles by its nature: the garbage collector need not look at it.
    return msgspec.defstruct(
        f"{kind.capitalize()}Reading", [("ts", datetime), *fields], forbid_unknown_fields=True, gc=False
    )


_TYPES: Final = {kind: _reading_type(kind) for kind in Kind}

ONE: Final = MappingProxyType({kind: msgspec.json.Decoder(type_) for kind, type_ in _TYPES.items()})
"""Decodes one reading of a kind. Raises ValueError."""


def _array_type(type_: Any) -> Any:
    return Annotated[list[type_], msgspec.Meta(min_length=1, max_length=MAX_ELEMENTS)]


MANY: Final = MappingProxyType(
    {kind: msgspec.json.Decoder(_array_type(type_)) for kind, type_ in _TYPES.items()}
)
"""Decodes an array of readings of a kind. Raises ValueError."""
