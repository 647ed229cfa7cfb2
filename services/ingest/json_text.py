"""JSON as text: what the fast parser is too strict for, and where an array's elements begin and end."""

from __future__ import annotations

import json
import re
from typing import Final

# Beyond this many digits Python refuses to make an integer (sys.set_int_max_str_digits).
_MAX_DIGITS: Final = 4300
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def repaired(payload: bytes) -> bytes | None:
    """The same JSON as the fast parser takes it: lone surrogates become U+FFFD and integers beyond any double
    infinite. None where it is not JSON by the grammar of RFC 8259 (with NaN and Infinity) or nests too deep.
    """
    try:
        value = json.loads(payload.decode("utf-8"), parse_int=_integer)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def elements(array: bytes) -> list[bytes]:
    """The raw text of each element of a JSON array. The array must be well-formed."""
    start = array.index(b"[") + 1
    found: list[bytes] = []
    depth = 0
    for token in _TOKEN.finditer(array, start):
        match token.group():
            case b"[" | b"{":
                depth += 1
            case b"," if depth == 0:
                found.append(array[start : token.start()].strip())
                start = token.end()
            case b"]" if depth == 0:
                last = array[start : token.start()].strip()
                return [*found, last] if found or last else []
            case b"]" | b"}":
                depth -= 1
    raise ValueError("the array does not end")
