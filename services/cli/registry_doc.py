"""The table of all fields of a registry file, docs/registry.md, made from the model.

`python -m services.cli.registry_doc` writes it; a test holds it equal to the model, and its example to the
checks.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from services.domain.measures import unit_of
from services.domain.registry.model import Registry

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "registry.md"

_INTRODUCTION: Final = """\
# The registry file

Made by `python -m services.cli.registry_doc` from the model that checks the file.

One YAML file says what there is: sites, their areas, devices and emission sources, and dated events. A whole
one is [the demo's](../deploy/demo/registry.yaml). `carbonflow registry apply FILE` checks all of it first,
tells every mistake with its line, shows the difference and puts it in force; `carbonflow registry show FILE`
only checks.

- Every fact that changes a number is an entry `from` an instant on, which names only what it changes. What is
  not named stays as it was. A date is midnight on the site's clock.
- A number is in the unit its field's name ends in. It may be written with a unit of its own: `2.5 MW`,
  `15 min`, `840 kg/m3`, `5544 kcal/kg LHV ar` ([what is taken](methods.md#units-in-the-registry)).
- Nothing is assumed. What is not said and needed leaves a number NULL, with its reason.

```yaml
version: 1
sites:
  works:
    timezone: Asia/Shanghai
    region: CN-SH
    devices:
      beltscale/coal:
        facts: [{from: 2026-01-01, interval_s: 30, carrier: bituminous_coal}]
      flowmeter/oil:
        facts: [{from: 2026-01-01, interval_s: 1 min, carrier: diesel, energy_quantity: volume_m3}]
    sources:
      coal:
        scope: 1
        method: fuel
        carrier: bituminous_coal
        facts:
          - from: 2026-01-01
            devices: [beltscale/coal]
            quantity: mass_t
            factor_set: CN_NDRC_2.1
            in_total: true
          - from: 2026-03-01
            fuel:
              source: laboratory 7, report 2026-118
              ncv_gj_per_t: 5544 kcal/kg LHV ar
              carbon_pct: 58.2 % ad
              moisture_pct: 12.5
              moisture_air_dried_pct: 2.1
              oxidation_rate: 0.99
      oil:
        scope: 1
        method: fuel
        carrier: diesel
        facts:
          - from: 2026-01-01
            devices: [flowmeter/oil]
            quantity: volume_m3
            factor_set: CN_NDRC_2.1
            density_t_per_m3: 840 kg/m3
            density_at_c: 20
            petroleum_group: petroleum_products
            in_total: true
```
"""


def document() -> str:
    """The text of docs/registry.md."""
    return "\n".join([_INTRODUCTION, *(_section(model) for model in models())])


def models() -> tuple[type[BaseModel], ...]:
    """The model of the file and all that is in it, from the outside in."""
    found: list[type[BaseModel]] = [Registry]
    for model in found:
        for field in model.model_fields.values():
            found += [each for each in _models_in(field.annotation) if each not in found]
    return tuple(found)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)


def _section(model: type[BaseModel]) -> str:
    about = [" ".join(inspect.cleandoc(model.__doc__).split()), ""] if model.__doc__ else []
    head = ["| field | is | |", "|---|---|---|"]
    rows = [_row(name, field) for name, field in model.model_fields.items()]
    return "\n".join([f"## {model.__name__}", *about, *head, *rows, ""])


def _row(name: str, field: FieldInfo) -> str:
    key = field.alias or name
    needed = " (needed)" if field.is_required() else ""
    return f"| `{key}` | {_kind(field.annotation, unit_of(name))}{needed} | {field.description or ''} |"


def _kind(annotation: Any, unit: str | None) -> str:
    """What may stand in a field, in a few words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _kind(next(each for each in arguments if each is not type(None)), unit)
    if origin is Annotated:
        return _kind(arguments[0], unit)
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        return f"list of {_kind(arguments[0], unit)}"
    if origin is dict:
        return f"by {'device' if arguments[1].__name__ == 'Device' else 'name'}: {_kind(arguments[1], unit)}"
    return _plain(annotation, unit)


def _plain(annotation: Any, unit: str | None) -> str:
    if annotation is AwareDatetime or issubclass(annotation, datetime):
        return "time"
    if issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if issubclass(annotation, StrEnum):
        return " or ".join(f"`{each}`" for each in annotation)
    if issubclass(annotation, bool):
        return "`true` or `false`"
    if issubclass(annotation, float | int):
        return {"C": "degC", "hour": "h"}.get(unit, unit) if unit else "number"
    return "date" if issubclass(annotation, date) else "text"


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
