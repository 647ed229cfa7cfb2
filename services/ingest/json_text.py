"""JSON as text: what the fast parser is too strict for, and where an array's elements begin and end.

Nothing here recurses, and all of it takes time in proportion to the text.
"""

from __future__ import annotations

import json
import re
from typing import Final

MAX_LEVELS: Final = 200
"""Objects and arrays inside each other that the wire model's parser takes, whatever is in them."""

BLANKS: Final = b" \t\n\r"

# Beyond this many digits Python refuses to make an integer (sys.set_int_max_str_digits).
_MAX_DIGITS: Final = 4300
# A string that does not end is a token of its own, and no quantifier gives back: else what is no JSON could
# be looked at again from each of its quotes.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+|[\[\]{},]', re.DOTALL)
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+|[\[\]{}]', re.DOTALL)
_OPENING: Final = {b"]": b"[", b"}": b"{"}


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
    """The raw text of each element of a JSON array; an element's own text is not judged.

    Raises ValueError where the array does not end, or not with the text.
    """
    start = array.index(b"[") + 1
    found: list[bytes] = []
    depth = 0
    for token in _TOKEN.finditer(array, start):
        match token.group():
            case b"[" | b"{":
                depth += 1
            case b"," if depth == 0:
                found.append(array[start : token.start()].strip(BLANKS))
                start = token.end()
            case b"]" if depth == 0:
                if array[token.end() :].strip(BLANKS):
                    raise ValueError("something follows the array")
                last = array[start : token.start()].strip(BLANKS)
                return [*found, last] if found or last else []
            case b"]" | b"}":
                depth -= 1
    raise ValueError("the array does not end")


def whole_elements(array: bytes) -> list[bytes] | None:
    """The elements of an array that no parser takes as a whole because one of them nests too deep.

    None where the array is no JSON. Of an element that is too deep only brackets and strings are judged.
    """
    try:
        found = elements(array)
    except ValueError:
        return None
    return found if all(repaired(text) is not None or _is_only_deep(text) for text in found) else None


def nests_too_deep(text: bytes) -> bool:
    """Whether more objects and arrays are open at once than the parser takes."""
    return _levels(text)[0] > MAX_LEVELS


def _is_only_deep(text: bytes) -> bool:
    deepest, balanced = _levels(text)
    return deepest > MAX_LEVELS and balanced


def _levels(text: bytes) -> tuple[int, bool]:
    """How many brackets are open at once at most, and whether each is closed by its own kind."""
    opened: list[bytes] = []
    deepest = 0
    for token in _BRACKETS.finditer(text):
        mark = token.group()
        if mark in (b"[", b"{"):
            opened.append(mark)
            deepest = max(deepest, len(opened))
        elif mark in _OPENING and (not opened or opened.pop() != _OPENING[mark]):
            return deepest, False
    return deepest, not opened
