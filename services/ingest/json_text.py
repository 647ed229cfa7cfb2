"""JSON as text: what the fast parser is too strict for, and where an array's elements begin and end.

Nothing here recurses, and all of it takes time in proportion to the text.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

MAX_LEVELS: Final = 200
"""Objects and arrays inside each other that the wire model's parser takes, whatever is in them."""

BLANKS: Final = b" \t\n\r"

# Beyond this many digits Python refuses to make an integer (sys.set_int_max_str_digits).
_MAX_DIGITS: Final = 4300
_ESCAPED: Final = re.compile(rb"\\.", re.DOTALL)
_RAW: Final = msgspec.json.Decoder(list[msgspec.Raw])
_QUOTE, _COMMA, _END_OF_ARRAY = b'",]'
_TO_CLOSING: Final = 2
"""From the code of an opening bracket to that of its closing one."""

_IS_BRACKET: Final = np.zeros(256, np.bool_)
_IS_BRACKET[list(b"[]{}")] = True
_IS_MARK: Final = _IS_BRACKET.copy()
_IS_MARK[_COMMA] = True
_STEP: Final = np.zeros(256, np.int32)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


def repaired(payload: bytes) -> bytes | None:
    """The same JSON as the fast parser takes it: lone surrogates become U+FFFD and integers beyond any double
    infinite. None where it is not JSON by the grammar of RFC 8259 (with NaN and Infinity) or nests too deep.
    """
    if nests_too_deep(payload):
        return None
    try:
        value = _DECODER.decode(payload.decode("utf-8"))
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_DECODER: Final = json.JSONDecoder(parse_int=_integer)


def elements(array: bytes) -> list[bytes]:
    """The raw text of each element of a JSON array; an element's own text is not judged.

    Raises ValueError where the array does not end, or not with the text.
    """
    try:
        return [bytes(each) for each in _RAW.decode(array)]
    except (ValueError, RecursionError):
        return _split(array)


def _split(array: bytes) -> list[bytes]:
    """As `elements`, of what the fast parser does not take, such as NaN."""
    array = array[array.index(b"[") :]
    places, marks = _outside_strings(array, _IS_MARK)
    levels = np.cumsum(_STEP[marks])
    closed = np.flatnonzero(levels == 0)
    if not closed.size or marks[closed[0]] != _END_OF_ARRAY:
        raise ValueError("the array does not end")
    last = closed[0]
    if array[places[last] + 1 :].strip(BLANKS):
        raise ValueError("something follows the array")
    commas = places[:last][(marks[:last] == _COMMA) & (levels[:last] == 1)]
    edges = [0, *commas.tolist(), int(places[last])]
    found = [array[low + 1 : high].strip(BLANKS) for low, high in pairwise(edges)]
    return found if found != [b""] else []


def whole_elements(array: bytes) -> list[bytes] | None:
    """The elements of an array that no parser takes as a whole because one of them nests too deep.

    None where the array is no JSON. Of an element that is too deep only brackets and strings are judged.
    """
    is_json = repaired(array) is not None
    if not is_json and not _is_only_deep(array):
        return None
    try:
        found = elements(array)
    except ValueError:
        return None
    whole = is_json or all(repaired(text) is not None or _is_only_deep(text) for text in found)
    return found if whole else None


def nests_too_deep(text: bytes) -> bool:
    """Whether more objects and arrays are open at once than the parser takes."""
    return _may_be_deep(text) and _levels(text)[0] > MAX_LEVELS


def _is_only_deep(text: bytes) -> bool:
    if not _may_be_deep(text):
        return False
    deepest, balanced = _levels(text)
    return deepest > MAX_LEVELS and balanced


def _may_be_deep(text: bytes) -> bool:
    return text.count(b"[") + text.count(b"{") > MAX_LEVELS


def _levels(text: bytes) -> tuple[int, bool]:
    """How many brackets are open at once at most, and whether each is closed by its own kind."""
    _, brackets = _outside_strings(text, _IS_BRACKET)
    steps = _STEP[brackets]
    levels = np.cumsum(steps)
    deepest = int(levels.max(initial=0))
    if levels.min(initial=0) < 0 or (levels.size and levels[-1]):
        return deepest, False
    # Of those on one level, every opening bracket is followed by the one that closes it.
    paired = brackets[np.argsort(levels - (steps - 1) // 2, kind="stable")]
    return deepest, bool((paired[1::2] == paired[::2] + _TO_CLOSING).all())


def _outside_strings(
    text: bytes, wanted: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
    """Where the wanted characters stand outside of strings, and which. A string that does not end goes on."""
    if b"\\" in text:
        text = _ESCAPED.sub(b"..", text)
    codes = np.frombuffer(text, np.uint8)
    found = wanted[codes]
    if b'"' in text:
        found &= ~np.logical_xor.accumulate(codes == _QUOTE)
    places = np.flatnonzero(found)
    return places, codes[places]
