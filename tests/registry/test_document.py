"""YAML as plain data with lines; anything may come in."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.registry import document as d
from services.domain.registry.document import read_document, write_document
from services.domain.registry.problems import RegistryError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),  # not a boolean, as in YAML 1.1
        ("012", 12),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("True", True),
        ("~", None),
        ("", None),
        ("-7", -7),
        ("1e3", 1000.0),
        ("1e+3", 1000.0),
        (".5", 0.5),
        ("+.inf", math.inf),
        ("'12'", "12"),
        ('"true"', "true"),
        ("9" * 5000, math.inf),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert read_document(f"x: {text}").data == {"x": value}


def test_every_place_has_its_line() -> None:
    document = read_document("a:\n  b:\n    - 1\n    - {c: 2,\n       d: 3}\ne: |\n  text\n")
    assert document.data == {"a": {"b": [1, {"c": 2, "d": 3}]}, "e": "text\n"}
    lines = {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 3, ("a", "b", 1): 4, ("a", "b", 1, "d"): 5, ("e",): 6}
    for place, line in lines.items():
        assert document.line(place) == line
    assert document.line(("a", "b", 1, "gone", "deeper")) == 4


def test_an_anchor_is_shared_by_its_aliases() -> None:
    assert read_document("a: &x {p: [1]}\nb: *x\nc: [*x, *x]").data["c"] == [{"p": [1]}, {"p": [1]}]


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a: 1\nb: 2\na: 3", "has 'a' twice", 3),
        ("a: &x 1\nb:\n  <<: *x", "merge key", 3),
        ("a: 1\nb: !!python/object:os.system x", "tag", 2),
    ],
)
def test_what_is_wrong_is_found_and_the_rest_is_read(text: str, words: str, line: int) -> None:
    [problem] = read_document(text).problems
    assert words in problem.message
    assert problem.line == line


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a: [1\nb: 2]\nc: 3", "is not YAML", 2),
        ("a: 1\n---\nb: 2", "second YAML document", 2),
        ("? [a]\n: 1", "list or mapping as key", 1),
        ("a: &x 1\n*x : 2", "alias as key", 2),
        ("a: \0", "is not YAML", None),
        ("\ta: 1", "is not YAML", 1),
        ("[" * 300_000, "nested", 1),
        ("a: " + "{a: " * 100, "nested", 1),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, words: str, line: int | None) -> None:
    with pytest.raises(RegistryError) as caught:
        read_document(text)
    assert words in caught.value.problems[-1].message
    assert caught.value.problems[-1].line == line


def test_aliases_cannot_explode() -> None:
    """Nine aliases of nine aliases ...: a few hundred bytes that would be billions of nodes."""
    text = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    with pytest.raises(RegistryError, match="its aliases expand"):
        read_document(text)


def test_an_alias_cannot_contain_itself() -> None:
    [problem] = read_document("a: &x [1, *x]").problems
    assert "before (or within) its anchor" in problem.message


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(RegistryError, match="larger than 32 MiB"):
        read_document(" " * (d.MAX_CHARACTERS + 1))


# Without control characters and line separators, which YAML 1.1's writer and 1.2 treat differently.
_TEXT = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff")
_KEYS = st.text(st.characters(categories=["Ll", "Nd"]), min_size=1, max_size=4)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)  # which JSON has not
    | st.text(_TEXT, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_json_means_itself(value: dict[str, Any]) -> None:
    """YAML 1.2 contains JSON."""
    assert read_document(json.dumps(value, ensure_ascii=False)).data == value


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_alike(value: dict[str, Any]) -> None:
    document = read_document(write_document(value))
    assert document.data == value
    assert document.problems == ()


@pytest.mark.parametrize("text", ["12E5", "0E0", "1e5", "012", "no", "null", ".5", "2026-01-01", "5 MW"])
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    """A serial number may be 12E5."""
    assert read_document(write_document({"serial": text})).data == {"serial": text}


@given(st.text(max_size=200) | st.text("{}[]&*!|>-?:,# \n'\"ab1<", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RegistryError):
        read_document(text)
