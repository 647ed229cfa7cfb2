"""The canonical form of a reading's status, so that equal readings are equal in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from services.domain.quantities import NAMES, STATUS_CODES, STATUS_WORDS, Status
from services.domain.reading import Measured, Values

_VALID: Final = str(Status.VALID)
_CODES: Final[dict[str, int]] = {str(word): code for word, code in STATUS_CODES.items()}


def code(word: str) -> int:
    """The code of a status word that the wire model let through."""
    return _CODES[word]


def canonical(
    names: tuple[str, ...], values: Values, words: Mapping[str, str | None]
) -> tuple[int, str | None]:
    """`(status, quantity_status)` as `Reading` wants them, of a reading that measured something.

    `words` are by quantity, None or missing is `valid`. A word for a quantity that was not measured is kept
    where it is not `valid`.
    """
    measured = {
        words.get(name) or _VALID for name, value in zip(names, values, strict=True) if value is not None
    }
    not_valid = {name: word for name in names if (word := words.get(name) or _VALID) != _VALID}
    only_measured = all(
        value is not None for name, value in zip(names, values, strict=True) if name in not_valid
    )
    if len(measured) == 1 and only_measured:
        return _CODES[measured.pop()], None
    return 0, json.dumps(not_valid, sort_keys=True, separators=(",", ":"))


def words_of(reading: Measured) -> dict[str, str]:
    """The word of every quantity that has one: the measured ones, and those of which only a word was sent."""
    names = NAMES[reading.device.kind]
    if reading.quantity_status is None:
        common = str(STATUS_WORDS[reading.status])
        return {name: common for name, value in zip(names, reading.values, strict=True) if value is not None}
    valid = {name: _VALID for name, value in zip(names, reading.values, strict=True) if value is not None}
    named: dict[str, str] = json.loads(reading.quantity_status)
    return valid | named
