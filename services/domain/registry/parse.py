"""From the text of a registry file to a checked `Registry`, with every error at its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.domain.registry.checks import check
from services.domain.registry.clock import instant, zone
from services.domain.registry.document import Document, Value, read_document
from services.domain.registry.model import (
    Area,
    Condensate,
    Contract,
    Device,
    DeviceFacts,
    FuelProperties,
    MarketBasis,
    MeterReplaced,
    Register,
    Registry,
    Site,
    Source,
    SourceFacts,
    Stock,
    Stream,
    Uncertainties,
    VirtualFacts,
    VirtualMeter,
)
from services.domain.registry.problems import Place, Problem, RegistryError
from services.domain.registry.scope import FactorNames
from services.domain.registry.written import with_numbers

_TIMES: Final = frozenset({"from", "until", "ended", "at"})
_DATES: Final = frozenset({"calibration_due", "sampled_from", "sampled_to"})
_ENTRIES: Final = frozenset({"areas", "devices", "sources", "virtual_meters"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """A registry that may be applied, and what is strange about it."""

    registry: Registry
    document: Document
    warnings: tuple[Problem, ...]


def parse(text: str, file: str = "", factors: FactorNames | None = None) -> Parsed:
    """The registry of a YAML file. Raises RegistryError with everything that is wrong, in the file's order.

    `factors` are the known factor sets, each with its fuels; where not given, their names are not checked.
    """
    try:
        document = read_document(text)
    except RegistryError as errors:
        raise RegistryError(_placed(errors.problems, None, file)) from None
    data, problems = _with_instants(document.data)
    data, of_units = with_numbers(data)
    problems += of_units
    registry, more = _validated(data, {problem.place for problem in problems})
    problems += [*more, *document.problems]
    if registry is not None:
        broken = _broken(problem.place for problem in problems)
        problems += check(registry, factors, broken)
    placed = _placed(problems, document, file)
    if registry is None or not all(problem.warning for problem in placed):
        raise RegistryError(placed)
    return Parsed(registry, document, placed)


def _placed(problems: Iterable[Problem], document: Document | None, file: str) -> tuple[Problem, ...]:
    placed = [
        replace(each, file=file, line=each.line or (document.line(each.place) if document else None))
        for each in problems
    ]
    return tuple(sorted(placed, key=lambda each: each.line or 0))


def _with_instants(data: Value) -> tuple[Value, list[Problem]]:
    """The data with its times as instants in UTC, and the times that are none."""
    problems: list[Problem] = []
    if not isinstance(data, dict) or not isinstance(data.get("sites"), dict):
        return data, problems
    sites = {
        site: _instants(value, ("sites", site), _zone_of(value, ("sites", site), problems), problems)
        for site, value in data["sites"].items()
    }
    return {**data, "sites": sites}, problems


def _zone_of(site: Value, place: Place, problems: list[Problem]) -> tzinfo:
    name = site.get("timezone") if isinstance(site, dict) else None
    if isinstance(name, str):
        try:
            return zone(name)
        except ValueError as error:
            problems.append(Problem((*place, "timezone"), f"{error}."))
    return UTC  # only to go on: the registry is refused


def _instants(value: Value, place: Place, local: tzinfo, problems: list[Problem]) -> Value:
    if isinstance(value, list):
        return [_instants(each, (*place, index), local, problems) for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {key: _dated(key, each, (*place, key), local, problems) for key, each in value.items()}


def _dated(key: str, value: Value, place: Place, local: tzinfo, problems: list[Problem]) -> Value:
    if key not in _TIMES | _DATES or value is None or isinstance(value, list | dict):
        return _instants(value, place, local, problems)
    if not isinstance(value, str):  # a number would be taken for seconds since 1970
        problems.append(Problem(place, f"is {value!r}, which is no time: write one such as 2026-01-31."))
        return value
    if key in _DATES:
        return value
    try:
        return instant(value, local)
    except ValueError as error:
        problems.append(Problem(place, f"{error}."))
        return value


def _validated(data: Value, known: set[Place]) -> tuple[Registry | None, list[Problem]]:
    """The registry without what is wrong in it (None where that leaves none), and what is wrong."""
    try:
        return Registry.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    # A list of wrong entries is also said to be too short, and a wrong time to be none.
    problems = [
        problem
        for each in details
        if (problem := _problem(each)).place not in known
        and not (each["type"] == "too_short" and each["input"])
    ]
    rest = _without(data, _broken(tuple(each["loc"]) for each in details))
    try:
        return Registry.model_validate(rest), problems
    except ValidationError:
        return None, problems


def _broken(places: Iterable[Place]) -> frozenset[Place]:
    """The entries (areas, devices, sources) that contain these places, or else the sites, or top keys."""
    return frozenset(_entry(place) for place in places)


def _entry(place: Place) -> Place:
    if len(place) > 3 and place[0] == "sites" and place[2] in _ENTRIES:
        return place[:4]
    if len(place) > 2 and place[0] == "sites" and place[2] == "events":
        return place[:3]
    return place[:2] if place[:1] == ("sites",) else place[:1]


def _without(data: Value, broken: frozenset[Place]) -> Value:
    """The data without these entries, so that the rest can be checked all the same."""
    if not isinstance(data, dict):
        return data
    return _pruned(
        {"version": 1, **data} if ("version",) not in broken else {**data, "version": 1}, (), broken
    )


def _pruned(value: Value, place: Place, broken: frozenset[Place]) -> Value:
    if not isinstance(value, dict) or len(place) > 3:
        return value
    return {
        key: _pruned(each, (*place, key), broken)
        for key, each in value.items()
        if (*place, key) not in broken or (*place, key) == ("version",)
    }


def _problem(details: ErrorDetails) -> Problem:
    place = tuple(step for step in details["loc"] if step != "[key]")
    return Problem(place, _sentence(details, place))


def _sentence(details: ErrorDetails, place: Place) -> str:
    value = details["input"]
    match details["type"]:
        case "missing":
            return "is missing: add it."
        case "extra_forbidden":
            return _unknown_key(place)
        case "string_pattern_mismatch" if details["loc"][-1] == "[key]" or _is_reference(place):
            return _bad_id(place, value)
        case "string_type" if isinstance(value, int | float):
            return f"must be text: put {value} in quotes."
        case "model_type" | "dict_type" | "model_attributes_type":
            return "must be a mapping: keys, each with its value."
        case "tuple_type":
            return "must be a list."
        case "timezone_aware" | "datetime_type" | "datetime_from_date_parsing" | "datetime_parsing":
            return f"is {_shown(value)}: write a time such as 2026-01-31 or 2026-01-31T13:30."
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"is {_shown(value)}, but {message[0].lower()}{message[1:]}."


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_reference(place: Place) -> bool:
    named = {"device", "submeter_of", "area"}
    listed = {"reconciles_with", "plus", "minus"}
    return "devices" in place[3:] or not listed.isdisjoint(place) or place[-1] in named


def _bad_id(place: Place, value: object) -> str:
    if place[-2:-1] in {("plus",), ("minus",)}:
        return (
            f"is {_shown(value)}: a virtual meter is made of meter/id, flowmeter/id, beltscale/id and "
            "virtual/id."
        )
    if place[2:3] in {("devices",), ("events",)} or {"devices", "device", "submeter_of"} & set(place[3:]):
        return (
            f"is {_shown(value)}: a device is written kind/id, its kind one of meter, flowmeter, cems and "
            "beltscale, its id of a-z, 0-9, _ and -, beginning with a letter or digit."
        )
    return f"is {_shown(value)}: an id is up to 63 of a-z, 0-9, _ and -, beginning with a letter or digit."


_FACTS: Final[Mapping[str, type[BaseModel]]] = {
    "devices": DeviceFacts,
    "sources": SourceFacts,
    "virtual_meters": VirtualFacts,
}

_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "sites": Site,
    "areas": Area,
    "devices": Device,
    "sources": Source,
    "virtual_meters": VirtualMeter,
    "events": MeterReplaced,
    "registers": Register,
    "streams": Stream,
    "condensate": Condensate,
    "contracts": Contract,
    "stocks": Stock,
}


def _unknown_key(place: Place) -> str:
    known = [field.alias or name for name, field in _model_at(place[:-1]).model_fields.items()]
    close = get_close_matches(str(place[-1]), known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known)}."
    return f"is no known key; {hint}"


def _model_at(place: Place) -> type[BaseModel]:
    """The model of a mapping, by the names on the way to it."""
    if place and place[-1] == "fuel":
        return FuelProperties
    if place and place[-1] == "market":
        return MarketBasis
    if place and place[-1] == "uncertainty":
        return Uncertainties
    if len(place) < 2:
        return Registry
    if place[-2] == "facts":
        return _FACTS[str(place[2])]
    return _MODELS.get(str(place[-2]), Registry)
