"""What is kept beside a reading's quantities: its status, and fields that the contract does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic_core import to_json

from services.domain.quantities import NAMES
from services.domain.reading import Reading
from services.ingest import status

MAX_EXTRA_BYTES: Final = 4096
"""How much of the fields that the contract does not know is kept beside a reading."""
DROPPED_EXTRA: Final = '{"carbonflow_dropped_bytes":'
"""How `extra` begins where there was more."""


def with_more(reading: Reading, word: object, unknown: Sequence[tuple[str, object]]) -> Reading:
    """The reading with its status and the fields that the contract does not know."""
    names = NAMES[reading.device.kind]
    extra = dict(unknown)
    if word is None and not extra:
        return reading
    code, quantity_status = 0, None
    if isinstance(word, str):
        code = status.code(word)
    elif isinstance(word, dict):
        code, quantity_status = status.canonical(names, reading.values, word)
        strange = {name: other for name, other in word.items() if name not in names}
        if strange:
            extra["status"] = strange
    return reading._replace(status=code, quantity_status=quantity_status, extra=_extra(extra))


def _extra(fields: dict[str, object]) -> str | None:
    if not fields:
        return None
    text = to_json(fields, inf_nan_mode="strings")
    return text.decode() if len(text) <= MAX_EXTRA_BYTES else f"{DROPPED_EXTRA}{len(text)}}}"
