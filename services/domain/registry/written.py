"""Numbers of a registry file that are written with their unit, as numbers in the unit of the field's name.

`ncv_gj_per_t: 5544 kcal/kg LHV ar` becomes `ncv_gj_per_t: 23.2116192` and `ncv_basis: ar`. Every field whose
name ends in a unit may be written so.
"""

from __future__ import annotations

from typing import Final

from services.domain import measures
from services.domain.measures import MeasureError, Written
from services.domain.registry.document import Value
from services.domain.registry.problems import Place, Problem

_BASIS_OF: Final = {"ncv_gj_per_t": "ncv_basis", "hhv_gj_per_t": "hhv_basis", "carbon_pct": "carbon_basis"}
_BASE_STATE_OF: Final = dict.fromkeys(("ncv_mj_per_m3", "hhv_mj_per_m3", "carbon_kg_per_m3"), "base_state")
_NET_VALUES: Final = frozenset({"ncv_gj_per_t", "ncv_mj_per_m3"})
_GROSS_VALUES: Final = frozenset({"hhv_gj_per_t", "hhv_mj_per_m3"})


def with_numbers(data: Value) -> tuple[Value, list[Problem]]:
    """The data with numbers for text that is a value with its unit, and what of such text is wrong."""
    problems: list[Problem] = []
    return _numbers(data, (), problems), problems


def _numbers(value: Value, place: Place, problems: list[Problem]) -> Value:
    if isinstance(value, list):
        return [_numbers(each, (*place, index), problems) for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    result: dict[str, Value] = {}
    for key, each in value.items():
        unit = measures.unit_of(key)
        if unit is None or not isinstance(each, str) or _is_number(each):
            result[key] = _numbers(each, (*place, key), problems)
            continue
        try:
            found = measures.read(each, unit)
            said = _said(key, found)
        except MeasureError as error:
            problems.append(Problem((*place, key), f"is {each!r}: {error}."))
            result[key] = each
            continue
        result[key] = found.value
        problems += _add(said, value, result, (*place, key))
    return result


def _is_number(text: str) -> bool:
    """Text that is a number alone is no value with a unit: the model takes or refuses it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _said(key: str, found: Written) -> dict[str, str]:
    """The facts that the words beside a value stand for. Raises MeasureError."""
    words = set(found.words)
    if key in _NET_VALUES:
        _check_net(words)
    elif key in _GROSS_VALUES:
        _check_gross(words)
    elif words & (measures.NET | measures.GROSS):
        raise MeasureError(f"{key} is no heating value; leave out {' and '.join(sorted(words))}")
    said = {}
    bases = sorted(words & measures.BASES)
    if bases:
        if key not in _BASIS_OF or len(bases) > 1:
            raise MeasureError(f"{' and '.join(bases)} says nothing of {key}; leave it out")
        said[_BASIS_OF[key]] = bases[0]
    if found.base_state is not None:
        if key not in _BASE_STATE_OF:
            raise MeasureError(f"@{found.base_state} says nothing of {key}; leave it out")
        said[_BASE_STATE_OF[key]] = found.base_state
    return said


def _check_net(words: set[str]) -> None:
    if words & measures.GROSS:
        raise MeasureError("it is a gross calorific value, and the net one (LHV) is wanted")
    if not words & measures.NET:
        raise MeasureError("it does not say LHV or HHV; write LHV behind a net calorific value")


def _check_gross(words: set[str]) -> None:
    if words & measures.NET:
        raise MeasureError("it is a net calorific value, and the gross one (HHV) is wanted")
    if not words & measures.GROSS:
        raise MeasureError("it does not say LHV or HHV; write HHV behind a gross calorific value")


def _add(
    said: dict[str, str], given: dict[str, Value], result: dict[str, Value], place: Place
) -> list[Problem]:
    """Put what was said beside the value, unless the file says another thing there."""
    problems = []
    for name, word in said.items():
        # Of the same properties written twice, the file's own entry or the value before.
        other = given.get(name, result.get(name, word))
        if other != word:
            problems.append(Problem(place, f"says {word}, and `{name}` is {other}: correct one."))
        result[name] = word
    return problems
