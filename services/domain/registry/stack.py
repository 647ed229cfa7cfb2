"""By which rules the CO2 of a measured stack is computed, judged and completed: facts of a source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.domain.substitution import Policy

Fraction = Annotated[float, Field(ge=0, le=1)]
_Percent = Annotated[float, Field(ge=0, le=100)]
_Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class FFactorFacts(_Strict):
    """F factors of the fuel, 40 CFR 75 appendix F table 1 or measured (3.3.6)."""

    fc_scf_per_mmbtu: _Positive
    fd_dscf_per_mmbtu: _Positive
    source: str = Field(min_length=1, description="table or laboratory, document and date")


class Bounds(_Strict):
    """Between which values a quantity shows that the process stands still."""

    at_least: float | None = None
    at_most: float | None = None


class StackRules(_Strict):
    """Of a source measured by CEMS. A new entry replaces them whole."""

    form: Literal["hj75", "part75"] = Field("hj75", description="HJ 75/76, or 40 CFR 75 appendix F")
    diluent: Literal["co2", "o2"] = Field("co2", description="the gas the analyser measures; o2 with part75")
    f_factors: FFactorFacts | None = Field(
        None, description="needed where the diluent is o2; with them there is a heat input"
    )
    hour_validity: Literal["quadrant", "45min", "80pct"] | None = Field(
        None,
        description="quadrant: a reading in each 15 minutes the unit ran (US); 45min: 45 valid minutes "
        "(HJ 76); 80pct: of the possible readings (MRR art. 44). None: hours are not judged",
    )
    substitution: Policy = Field(
        Policy.NONE, description="what stands in for a missing hour; needs hour_validity"
    )
    maximum_potential_co2_pct: _Percent | None = None
    minimum_potential_o2_pct: _Percent | None = None
    stopped_evidence: dict[str, Bounds] | None = Field(
        None, description="what a reading must show, all of it, for its status stopped to count as zero"
    )
