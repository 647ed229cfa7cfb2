"""The registry: what is known of sites, areas, devices, emission sources and dated events.

Facts that change a number are dated: a list of entries, each `from` an instant on, each overriding only what
it names. What is in force at an instant is the merge of all entries up to it (`facts_at`).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.domain.registry.stack import StackRules

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
DeviceRef = Annotated[
    str, StringConstraints(pattern=r"^(meter|flowmeter|cems|beltscale)/[a-z0-9][a-z0-9_-]{0,62}$")
]
"""A device within its site, as in its topic: `kind/id`."""


def _listed(value: object) -> object:
    """One name may stand without the brackets of a list."""
    return (value,) if isinstance(value, str) else value


Ids = Annotated[tuple[Id, ...], BeforeValidator(_listed)]
MeterRef = Annotated[
    str, StringConstraints(pattern=r"^(meter|flowmeter|beltscale|virtual)/[a-z0-9][a-z0-9_-]{0,62}$")
]
"""What an amount is metered by: a device of the site, or another of its virtual meters."""
Positive = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
BelowAll = Annotated[float, Field(ge=0, lt=100)]
"""A percentage that leaves something."""


class Strict(BaseModel):
    """No unknown key passes: a misspelt fact must not be silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class BaseState(StrEnum):
    """The state a gas volume is referred to, at 101.325 kPa. Part of the unit, never implied."""

    C0 = "0C"
    C15 = "15C"
    C20 = "20C"
    F60 = "60F"


class Method(StrEnum):
    FUEL = "fuel"
    ELECTRICITY = "electricity"
    HEAT = "heat"
    CEMS = "cems"
    MASS_BALANCE = "mass_balance"


class Medium(StrEnum):
    """What carries purchased heat, and by which measurement its enthalpy is found."""

    SATURATED_STEAM_BY_PRESSURE = "saturated_steam_by_pressure"
    SATURATED_STEAM_BY_TEMPERATURE = "saturated_steam_by_temperature"
    SUPERHEATED_STEAM = "superheated_steam"
    HOT_WATER_OPEN = "hot_water_open"
    HOT_WATER_CLOSED = "hot_water_closed"
    HEAT_METER = "heat_meter"


class PetroleumGroup(StrEnum):
    """Liquids whose expansion ISO 91-1 tabulates: tables 54A, 54B and 54D."""

    CRUDE = "crude_oil"
    PRODUCTS = "petroleum_products"
    LUBRICANTS = "lubricating_oil"


class Register(Strict):
    """A cumulative register: where it rolls over and what its last digit is worth, in its own unit."""

    modulus: Positive | None = Field(None, description="where it rolls over; without it no rollover is seen")
    resolution: Positive | None = Field(None, description="what its last digit is worth")


class DeviceFacts(Strict):
    """Facts of a device in force `from` an instant on; those not named stay as they were."""

    from_: AwareDatetime = Field(alias="from")
    area: Id | None = None
    interval_s: Positive | None = Field(None, description="expected seconds between readings")
    carrier: str | None = Field(
        None, description="electricity, natural_gas, steam, heat, ... for the energy view"
    )
    energy_quantity: str | None = Field(
        None,
        description="register or rate that is the device's energy amount; "
        "energy_import_kwh of a meter and mass_t of a belt scale where not named",
    )
    submeter_of: DeviceRef | None = Field(None, description="main meter that already contains this one")
    metering_point: Literal["delivery", "use"] | None = Field(
        None, description="whether fuel passes it when it comes (a truck scale) or when it is used"
    )
    registers: dict[str, Register] | None = None
    multiplier: Positive | None = Field(None, description="CT x PT ratio the device does not apply itself")
    rated_power_kw: Positive | None = Field(None, description="a register step above it is not booked")
    rated_flow: Positive | None = Field(None, description="in the unit of the device's rate quantity")
    pressure_reference: Literal["gauge", "absolute"] | None = Field(
        None, description="what the device's pressure is"
    )
    atmospheric_pressure_kpa: Positive | None = Field(None, description="of the place: makes gauge absolute")
    base_state: BaseState | None = Field(
        None,
        description="base state of volume_nm3 and flow_nm3_h; of a stack's flows it is 0C where not named",
    )
    compressibility_ratio: Positive | None = Field(
        None, description="Zb/Z from line conditions to base state"
    )
    meter_position: Literal["supply", "return"] | None = Field(
        None, description="where a closed loop's meter sits: its density is that of the water there"
    )
    analyser: Literal["wet", "dry"] | None = Field(None, description="of a stack's gases")
    duct_area_m2: Positive | None = Field(None, description="of the stack, for its velocity")
    bias_adjustment_factor: Annotated[float, Field(ge=1)] | None = Field(
        None, description="of a stack's flow, from its relative accuracy test (40 CFR 75 appendix A, 7.6.5)"
    )
    gauges: Literal["instant", "interval_mean"] | None = Field(
        None, description="what a value is: of its instant, or the mean of the interval that ends there"
    )
    repeats_frames: bool | None = Field(
        None, description="it sends its last frame again for want of a new one"
    )
    accuracy_pct: Percent | None = Field(
        None, description="limit of error by the accuracy class of the whole chain, transformers included"
    )
    uncertainty_pct: Percent | None = Field(
        None, description="95 % uncertainty of what it counts, as calibrated; goes before the class"
    )


class Device(Strict):
    name: str = ""
    serial: str = ""
    calibration_due: date | None = None
    results: Literal["none", "rejections", "all"] = Field(
        "none", description="what it is told of its readings on .../result"
    )
    facts: tuple[DeviceFacts, ...] = Field(min_length=1)
    ended: AwareDatetime | None = None


class Condensate(Strict):
    """A meter in the condensate return of purchased steam: its heat is credited."""

    device: DeviceRef
    quantity: str


class MarketBasis(Strict):
    """What the market-based CO2 of purchased electricity takes for what no contract covers: a residual factor
    set, or the supplier's own figure."""

    factor_set: str | None = None
    factor_fuel: str | None = Field(None, description="the factor's fuel where it is not the carrier")
    region: str | None = Field(None, description="where it is not the source's")
    supplier_co2_kg_per_kwh: Positive | None = None
    document: str | None = Field(None, min_length=1, description="where the supplier's figure is from")


class Stock(Strict):
    """An inventory: what lay in stock of one material of a mass balance at an instant."""

    material: Id
    at: AwareDatetime
    mass_t: Annotated[float, Field(ge=0)]
    carbon_fraction: Annotated[float, Field(ge=0, le=1)] = Field(
        description="t of carbon per t, as it lies; of CaCO3 0.1199"
    )
    document: str = Field(min_length=1)


class Contract(Strict):
    """Electricity bought at a factor of its own, green power above all: for how long, how much of the
    purchase, and by what it is shown."""

    contract: str = Field(min_length=1, description="number or name")
    from_: AwareDatetime = Field(alias="from")
    until: AwareDatetime = Field(description="the first instant no longer covered")
    share: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="of every kWh purchased")
    kwh: Positive | None = Field(None, description="covered over the whole period")
    of_kwh: Positive | None = Field(None, description="purchase of the period that kwh are set against")
    settled: bool = Field(False, description="of_kwh was metered, not forecast")
    co2_kg_per_kwh: Annotated[float, Field(ge=0)]
    certificate: str | None = Field(None, min_length=1, description="numbers of the cancelled certificates")
    document: str | None = Field(None, min_length=1, description="where contract and certificates are filed")


class Stream(Strict):
    """A carbon stream of a mass balance, by one device's mass register or rate, or by its volume with a
    density."""

    device: DeviceRef
    quantity: str
    role: Literal["input", "output"] = "input"
    carbon_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    carbonate: Literal["CaCO3", "MgCO3", "Na2CO3"] | None = None
    purity: Annotated[float, Field(ge=0, le=1)] = 1.0
    conversion: Annotated[float, Field(ge=0, le=1)] = 1.0
    density_t_per_m3: Positive | None = Field(
        None, description="of a liquid as metered; of a gas at density_base_state"
    )
    density_base_state: BaseState | None = Field(None, description="of a gas whose volume is metered")
    uncertainty_pct: Percent | None = Field(
        None, description="95 % uncertainty of its carbon, purity and conversion included"
    )


class LabBasis(StrEnum):
    """What a laboratory refers its values of a solid to (ISO 1170, GB/T 483)."""

    AS_RECEIVED = "ar"
    AIR_DRIED = "ad"
    DRY = "d"
    DRY_ASH_FREE = "daf"


class FuelProperties(Strict):
    """Measured (laboratory) properties; each overrides the factor set's default of it. Without a basis they
    are on that of the mass as metered."""

    ncv_gj_per_unit: Positive | None = Field(None, description="per unit of the factor, as metered")
    ncv_gj_per_t: Positive | None = Field(None, description="net calorific value by mass")
    ncv_mj_per_m3: Positive | None = Field(None, description="net calorific value by volume")
    ncv_basis: LabBasis | None = Field(None, description="of ncv_gj_per_t; as metered where not named")
    hhv_gj_per_t: Positive | None = Field(None, description="gross calorific value by mass, for sets by HHV")
    hhv_mj_per_m3: Positive | None = Field(None, description="gross calorific value by volume")
    hhv_basis: LabBasis | None = Field(None, description="of hhv_gj_per_t; as metered where not named")
    carbon_content_t_per_gj: Positive | None = Field(None, description="per GJ of the net calorific value")
    carbon_pct: Percent | None = Field(None, description="by mass")
    carbon_basis: LabBasis | None = Field(None, description="of carbon_pct; as metered where not named")
    carbon_kg_per_m3: Positive | None = Field(None, description="carbon by volume")
    base_state: BaseState | None = Field(None, description="of the laboratory's m3 of gas")
    moisture_pct: BelowAll | None = Field(None, description="total, of the mass as metered")
    moisture_air_dried_pct: BelowAll | None = Field(None, description="of the air-dried sample")
    ash_dry_pct: BelowAll | None = Field(None, description="of the dry sample")
    oxidation_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    biogenic_fraction: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="share of its carbon that is biogenic: counted 0, and a memo item"
    )
    source: str = Field(min_length=1, description="laboratory, document and date")
    laboratory: str | None = Field(None, min_length=1)
    document: str | None = Field(None, min_length=1, description="number of the report, or where it is filed")
    sampled_from: date | None = Field(None, description="first day of the sampling period")
    sampled_to: date | None = Field(None, description="its last day")


class Uncertainties(Strict):
    """95 % uncertainties, half widths in per cent of the value, assessed for one source; 0 is exact. The
    factor's is given whole, or of a fuel by its three parts."""

    activity_pct: Percent | None = None
    factor_pct: Percent | None = None
    ncv_pct: Percent | None = None
    carbon_content_pct: Percent | None = None
    oxidation_rate_pct: Percent | None = None
    market_factor_pct: Percent | None = Field(None, description="of electricity's market-based factor")
    source: str = Field(min_length=1, description="document, or whose judgement")


class SourceFacts(Strict):
    """Facts of an emission source in force `from` an instant on; those not named stay as they were."""

    from_: AwareDatetime = Field(alias="from")
    area: Id | None = None
    devices: tuple[DeviceRef, ...] | None = None
    quantity: str | None = Field(None, description="the devices' register (or rate) that is the activity")
    factor_set: str | None = Field(None, description="set, or series of yearly sets; carbonflow factors list")
    factor_fuel: str | None = Field(None, description="the factor's fuel where it is not the carrier")
    region: str | None = Field(None, description="grid region where it is not the site's")
    factor_base_state: BaseState | None = Field(None, description="base state of a per-Nm3 factor")
    fuel: FuelProperties | None = Field(None, description="laboratory values; an entry replaces them whole")
    density_t_per_m3: Positive | None = Field(
        None, description="of a liquid as metered, or at density_at_c; of a gas at factor_base_state"
    )
    density_at_c: Annotated[float, Field(ge=-50, le=150)] | None = Field(
        None, description="temperature of the liquid's density, which then follows the measured one"
    )
    expansion_per_k: Annotated[float, Field(ge=0, le=0.003)] | None = Field(
        None, description="cubic expansion of a liquid that no petroleum table knows"
    )
    petroleum_group: PetroleumGroup | None = Field(None, description="expansion by ISO 91-1 from the density")
    medium: Medium | None = None
    dryness_fraction: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="mass of vapour by mass of wet steam; 1 where not named"
    )
    condensate: tuple[Condensate, ...] | None = None
    streams: tuple[Stream, ...] | None = None
    stack: StackRules | None = None
    market: MarketBasis | None = None
    total_basis: Literal["location", "market"] | None = Field(
        None, description="which basis of electricity counts in the total; location where not named"
    )
    uncertainty: Uncertainties | None = None
    in_total: bool | None = Field(None, description="whether its tonnes count; false beside what counts them")
    reconciles_with: Ids | None = Field(
        None,
        description="the source, or sources together, that are the same carbon's other route; [] is none",
    )
    note: str | None = None


class Source(Strict):
    scope: Literal[1, 2]
    method: Method
    carrier: str
    name: str = ""
    facts: tuple[SourceFacts, ...] = Field(min_length=1)
    stocks: tuple[Stock, ...] = ()
    """Inventories of a mass balance, which come when they were taken and may be put right."""
    contracts: tuple[Contract, ...] = ()
    """Of purchased electricity. Each carries its own dates, and may be put right whenever evidence comes."""
    ended: AwareDatetime | None = None


class VirtualFacts(Strict):
    """What a virtual meter is made of, from an instant on; what is not named stays as it was."""

    from_: AwareDatetime = Field(alias="from")
    area: Id | None = None
    plus: tuple[MeterRef, ...] | None = None
    minus: tuple[MeterRef, ...] | None = None
    note: str | None = None


class VirtualMeter(Strict):
    """A sum and difference of meters of one carrier, such as a tenant that has none of its own. It is in no
    total: what it is made of is."""

    name: str = ""
    facts: tuple[VirtualFacts, ...] = Field(min_length=1)
    ended: AwareDatetime | None = None


class Area(Strict):
    name: str = ""
    type: Literal["building", "plant", "floor", "unit"] = "building"
    floor_area_m2: Positive | None = None
    ended: AwareDatetime | None = None


class MeterReplaced(Strict):
    """The register of a device starts anew: what the old one showed last and the new one first."""

    type: Literal["meter_replaced"]
    device: DeviceRef
    at: AwareDatetime
    final: dict[str, float] = Field(description="what the old one showed last")
    initial: dict[str, float] = Field(description="what the new one showed first")
    note: str = ""


class Site(Strict):
    name: str = ""
    timezone: str = Field(description="IANA name: its clock makes hours, days and factor years")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    region: str | None = Field(None, description="place of the grid factor, e.g. CN-SH")
    gwp_set: Literal["AR4", "AR5", "AR6"] | None = Field(
        None, description="warming potentials of CO2e; without it there is none"
    )
    areas: dict[Id, Area] = Field(default_factory=dict)
    devices: dict[DeviceRef, Device] = Field(default_factory=dict)
    sources: dict[Id, Source] = Field(default_factory=dict)
    virtual_meters: dict[Id, VirtualMeter] = Field(default_factory=dict)
    events: tuple[MeterReplaced, ...] = ()
    ended: AwareDatetime | None = None


class Registry(Strict):
    version: Literal[1]
    sites: dict[Id, Site] = Field(default_factory=dict)


F = TypeVar("F", DeviceFacts, SourceFacts, VirtualFacts)


def facts_at(facts: tuple[F, ...], at: datetime) -> F | None:
    """The facts in force at `at`: all entries that begin at or before it, later ones over earlier ones; None
    before the first."""
    in_force: F | None = None
    for entry in sorted(facts, key=lambda each: each.from_):
        if entry.from_ > at:
            break
        named = {name: getattr(entry, name) for name in entry.model_fields_set}
        in_force = entry if in_force is None else in_force.model_copy(update=named)
    return in_force
