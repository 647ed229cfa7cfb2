"""A YAML file as plain data in which every place knows its line.

YAML 1.2's core schema without tags and merge keys: `no` and `012` are text and twelve, not false and ten.
Times stay text here. The file may be wrong in any way, and large: nothing recurses, and aliases expand to a
bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from services.domain.registry.problems import Place, Problem, RegistryError

MAX_CHARACTERS: Final = 32 * 1024 * 1024
"""Some 100,000 devices."""
MAX_NODES: Final = 4_000_000
MAX_DEPTH: Final = 30

Value: TypeAlias = Any
"""None, bool, int, float, str, or a list or str-keyed dict of values."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file says, and where."""

    data: Value
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...] = ()
    """What is wrong but does not keep the rest from being read, such as a key that comes twice."""

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest one around it that is in the file."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


def read_document(text: str) -> Document:
    """Parse a YAML file. Raises RegistryError where it cannot be read to its end."""
    if len(text) > MAX_CHARACTERS:
        raise RegistryError([Problem((), f"is larger than {MAX_CHARACTERS // 1024**2} MiB: split it.")])
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.problem(mark.line + 1 if mark else None, f"is not YAML: {error.problem or error.context}.")
        raise RegistryError(builder.problems) from error
    except yaml.YAMLError as error:
        builder.problem(None, f"is not YAML: {' '.join(str(error).split())}.")
        raise RegistryError(builder.problems) from error
    return Document(builder.root, builder.lines, tuple(builder.problems))


def _events(text: str) -> Iterator[yaml.Event]:
    # The parser in C is some 25 times faster, and where PyYAML was built without it the other does the same.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
    return events


@dataclass(slots=True)
class _Open:
    """A mapping or sequence not yet closed."""

    value: dict[str, Value] | list[Value]
    place: Place
    anchor: str | None
    nodes_before: int
    key: str | None = None
    """Of a mapping: the key whose value comes next."""


@dataclass(slots=True)
class _Anchor:
    value: Value
    nodes: int


@dataclass(slots=True)
class _Builder:
    """Makes data of parser events, one at a time."""

    root: Value = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchor] = field(default_factory=dict)
    nodes: int = 0
    documents: int = 0

    def problem(self, line: int | None, message: str) -> None:
        place = self.stack[-1].place if self.stack else ()
        self.problems.append(Problem(place, message, line=line))

    def take(self, event: yaml.Event) -> None:
        """Add what an event says. Raises RegistryError where reading on makes no sense."""
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self._give_up(event, "is a second YAML document: keep one in a file.")
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.MappingStartEvent():
                self._open({}, event)
            case yaml.SequenceStartEvent():
                self._open([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()

    def _give_up(self, event: yaml.Event, message: str) -> None:
        self.problem(_line(event), message)
        raise RegistryError(self.problems)

    def _expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        if self._expects_key():
            self._key(event)
            return
        value = _plain(event.value) if event.implicit[0] else event.value
        self._count(1, event)
        self._add(value, event)
        if event.anchor:
            self.anchors[event.anchor] = _Anchor(value, 1)

    def _key(self, event: yaml.ScalarEvent) -> None:
        top, key = self.stack[-1], event.value
        if key == "<<" and event.implicit[0]:
            self.problem(_line(event), "has a merge key `<<`, which is not supported: write the entries out.")
        elif key in top.value:
            self.problem(_line(event), f"has {key!r} twice: remove one.")
        top.key = key
        self.lines.setdefault((*top.place, key), _line(event))

    def _alias(self, event: yaml.AliasEvent) -> None:
        if self._expects_key():
            self._give_up(event, "has an alias as key: write the key out.")
        anchor = self.anchors.get(event.anchor or "")
        if anchor is None:
            self.problem(_line(event), f"has the alias *{event.anchor} before (or within) its anchor.")
            anchor = _Anchor(None, 1)
        self._count(anchor.nodes, event)
        self._add(anchor.value, event)

    def _open(self, value: dict[str, Value] | list[Value], event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event)
        if self._expects_key():
            self._give_up(event, "has a list or mapping as key: keys are text.")
        if len(self.stack) >= MAX_DEPTH:
            self._give_up(event, f"is nested more than {MAX_DEPTH} deep.")
        before = self.nodes
        self._count(1, event)
        place = self._add(value, event)
        self.stack.append(_Open(value, place, event.anchor, before))

    def _close(self) -> None:
        closed = self.stack.pop()
        if closed.anchor:
            self.anchors[closed.anchor] = _Anchor(closed.value, self.nodes - closed.nodes_before)

    def _add(self, value: Value, event: yaml.Event) -> Place:
        """Put a value where it belongs; the place."""
        if not self.stack:
            self.root = value
            self.lines[()] = _line(event)
            return ()
        top = self.stack[-1]
        if isinstance(top.value, list):
            place = (*top.place, len(top.value))
            top.value.append(value)
            self.lines[place] = _line(event)
            return place
        assert top.key is not None
        place = (*top.place, top.key)
        top.value[top.key] = value
        top.key = None
        return place

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            self._give_up(event, f"has more than {MAX_NODES} entries, or its aliases expand to as many.")

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None and event.tag != "!":
            self.problem(_line(event), f"has the tag {event.tag}, which is not supported: remove it.")


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None, "only events made by hand have no mark"
    return event.start_mark.line + 1


# YAML 1.2.2, 10.3.2 (core schema).
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INT: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
# Python refuses to read longer integers, and no number of a registry is nearly as long.
_MAX_INT_DIGITS: Final = 40


def _plain(text: str) -> Value:
    """What an unquoted scalar means."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text) and len(text) <= _MAX_INT_DIGITS:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def write_document(data: Value) -> str:
    """The data as a YAML file that `read_document` reads alike, keys in their order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


class _Dumper(yaml.SafeDumper):
    """Writes what YAML 1.2 reads: PyYAML's own rules are those of 1.1, by which 12E5 is text."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _plain(text) == text else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)
