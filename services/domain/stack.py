"""The rules of one stack as the ledger needs them: what is judged and filled, and what shows a standstill."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from services.domain.substitution import Policy


class Validity(StrEnum):
    """When an hour of a quantity is valid."""

    QUADRANT = "quadrant"
    """A valid reading in each 15-minute quadrant in which the unit ran: 40 CFR 75.10(d)(1)."""
    MINUTES_45 = "45min"
    """At least 45 valid minutes: HJ 76-2017."""
    PERCENT_80 = "80pct"
    """At least 80 % of the possible readings: Regulation (EU) 2018/2066, article 44."""


class Evidence(NamedTuple):
    """The quantity is at least, or at most, so much while the process stands still; None: no bound."""

    quantity: str
    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class StackPolicy:
    """How the hours of a stack are made."""

    validity: Validity | None
    """None: hours are not judged, and nothing is substituted."""
    substitution: Policy
    judged: tuple[str, ...]
    """The quantities an hour needs: that of the flow first."""
    maximum_potential: tuple[tuple[str, float], ...]
    """By quantity, the worst value the stack can have."""
    us_reporting: bool
    """Whether figures are reported by 40 CFR 75: rounded, in short tons and scf."""
    f_factors: tuple[float, float] | None = None
    """Fc and Fd of the fuel, where the source names them and reports by 40 CFR 75: they give a heat input."""
