"""`carbonflow calc gas-volume`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from services.cli.calc import options
from services.cli.calc.errors import CalculationError
from services.cli.calc.lines import Line, of_step
from services.cli.calc.show import show
from services.domain import activity
from services.domain.conditions import BASE_TEMPERATURE_K, base_state_ratio
from services.domain.formulas import GAS_LINE
from services.domain.registry.model import BaseState, DeviceFacts
from services.domain.steps.formulas import evaluate


def gas_volume(
    base_state: Annotated[BaseState, typer.Option(help="The state asked for.")],
    volume_m3: options.VolumeM3 = None,
    pressure_kpa: options.PressureKpa = None,
    gauge: options.Gauge = None,
    atmospheric_pressure_kpa: options.AtmosphericKpa = None,
    temperature_c: options.TemperatureC = None,
    compressibility_ratio: options.Compressibility = None,
    volume_nm3: Annotated[float | None, options.number("Volume at another base state, --from-state.")] = None,
    from_state: Annotated[
        BaseState | None, typer.Option(help="Base state of --volume-nm3.", show_default=False)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """A gas volume at a base state, from line conditions or from another base state.

    Example: carbonflow calc gas-volume --volume-m3 1000 --pressure-kpa 451.325 --absolute
    --temperature-c 18 --base-state 20C
    """
    name, amount = options.only(volume_m3=volume_m3, volume_nm3=volume_nm3)
    if name == "volume_nm3":
        if from_state is None:
            raise typer.BadParameter("--volume-nm3 needs --from-state: the state is part of the unit.")
        lines = _converted(amount, from_state, base_state)
    else:
        device = DeviceFacts.model_validate(
            {
                "from": "1990-01-01T00:00:00Z",
                "pressure_reference": options.pressure_reference(gauge),
                "atmospheric_pressure_kpa": atmospheric_pressure_kpa,
                "compressibility_ratio": compressibility_ratio,
            }
        )
        inputs = {"temperature_c": temperature_c, "pressure_kpa": pressure_kpa}
        lines = _metered(amount, {k: v for k, v in inputs.items() if v is not None}, device, base_state)
    show("gas-volume", lines, as_json=as_json)


def _metered(
    volume_m3: float, inputs: dict[str, float], device: DeviceFacts, base: BaseState
) -> Iterator[Line]:
    offset = activity.pressure_offset_kpa(device)
    if isinstance(offset, str):
        raise CalculationError(offset)
    params = (1.0, offset, BASE_TEMPERATURE_K[base], device.compressibility_ratio or 1.0)
    found = evaluate(GAS_LINE, volume_m3, inputs, params)
    if found.reason is not None:
        raise CalculationError(f"There is no result: {found.reason}.")
    yield Line("volume_m3", volume_m3, "m3", "given")
    yield from (of_step(each) for each in found.steps)
    yield Line("volume_nm3", found.activity, f"Nm3@{base}", "Vb = Vm (p/pb)(Tb/T)(Zb/Z), EN 12405-1")


def _converted(volume_nm3: float, from_state: BaseState, base: BaseState) -> Iterator[Line]:
    ratio = base_state_ratio(from_state, base)
    yield Line("volume_nm3_given", volume_nm3, f"Nm3@{from_state}", "given")
    yield Line("temperature_ratio", ratio, "", "Tb/Tb', ISO 13443")
    yield Line("volume_nm3", volume_nm3 * ratio, f"Nm3@{base}", "ideal gas")
