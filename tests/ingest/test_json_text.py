"""Where arrays are cut, and how deep they nest: as a reader of one character after the other would say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.json_text import MAX_LEVELS, elements, nests_too_deep, repaired, whole_elements

DEEP = MAX_LEVELS + 1
CLOSING = {"[": "]", "{": "}"}


def walk(text: str) -> tuple[int, bool]:
    """The most brackets open at once, and whether each is closed by its own kind."""
    opened: list[str] = []
    deepest, in_string, escaped, balanced = 0, False, False, True
    for character in text:
        if escaped:
            escaped = False
        elif in_string:
            escaped = character == "\\"
            in_string = character != '"'
        elif character == '"':
            in_string = True
        elif character in CLOSING:
            opened.append(CLOSING[character])
            deepest = max(deepest, len(opened))
        elif character in "]}":
            balanced = balanced and bool(opened) and opened.pop() == character
    return deepest, balanced and not opened


# Strings, brackets and blanks; a backslash only inside of a string, where JSON knows it.
PIECES = st.lists(
    st.sampled_from(["[", "]", "{", "}", "[]", "{}", '"a"', '"[{"', r'"\"]"', r'"\\"', " ", "1", ","]),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.integers(DEEP - 3, DEEP + 1), st.sampled_from("[{"))
def test_only_depth_excuses_what_no_parser_takes(inner: str, levels: int, bracket: str) -> None:
    text = f"[1,{bracket * levels}{inner}{CLOSING[bracket] * levels},2]"
    deepest, balanced = walk(text)
    found = whole_elements(text.encode())
    if deepest > DEEP and balanced:
        assert found is not None
        assert (found[0], found[-1]) == (b"1", b"2")
    elif not balanced:
        assert found is None
    assert not balanced or nests_too_deep(text.encode()) is (deepest > MAX_LEVELS)


def test_elements_of_an_array_deeper_than_any_parser_goes() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert elements(b' [1, "]\\"," ,' + deep + b"]\n") == [b"1", b'"]\\","', deep]
    assert repaired(deep) is None
