"""`carbonflow schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from services.domain.quantities import Kind
from services.ingest.json_schema import payload_schema


def schema(
    kind: Annotated[Kind, typer.Argument(help="What the device is.")],
    as_json: Annotated[bool, typer.Option("--json", help="In one line.")] = False,
) -> None:
    """Print the JSON Schema (draft 2020-12) of what a device of this kind may send.

    The same as docs/schemas holds. What it takes is not rejected for its form; `carbonflow check` says what
    else would happen to a payload.
    """
    typer.echo(json.dumps(payload_schema(kind), indent=None if as_json else 2, ensure_ascii=False))
