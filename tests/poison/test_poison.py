"""The short form of `make poison`: every payload ends stored, duplicate or rejected, and is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from deploy.local.progress import LineProgress
from services.domain.outcome import Reason
from tests.poison.run import Plan, Result, Slice, judge, run, slices_of
from tests.poison.sender import CLEAN, SMALL


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("servers")  # so that the packages are there
def test_every_unit_is_accounted_for() -> None:
    plan = Plan(
        4_000, "20260301", slice=1_300, clean_slice=500, large_slice=25, large_every=3, refused_slice=1_000,
        devices=400, sites=20,
    )  # fmt: skip
    result = asyncio.run(run(plan, LineProgress(), lambda _: None))
    assert result.wrong == []
    assert result.totals["received"] == sum(each.units for each in result.slices)
    assert min(result.totals.values()) > 100
    assert set(result.reasons) == {str(reason) for reason in Reason} - {"quota"}


def slices(*per_s: float) -> Result:
    """Clean slices and small ones in turn, at such rates."""
    names = [CLEAN if number % 2 == 0 else SMALL for number in range(len(per_s))]
    made = [Slice(name, 1000, 1000, 1000 / rate, 0.1, 0.1) for name, rate in zip(names, per_s, strict=True)]
    return Result(made, [100.0] * len(made))


def with_memory(*rss_mb: float) -> Result:
    result = slices(1000, 800, 1000)
    result.rss_mb = list(rss_mb)
    return result


def with_wrong() -> Result:
    result = slices(1000, 800, 1000)
    result.wrong = ["a unit is missing"]
    return result


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (lambda: slices(1000, 510, 1000, 900, 1000), None),
        (lambda: slices(1000, 490, 1000, 900, 1000), "0.49 of the rate"),
        (lambda: slices(1000, 510, 3000), "0.26 of the rate"),
        (lambda: with_memory(100, 100, 120, 130, 139, 139), None),
        (lambda: with_memory(100, 100, 120, 130, 145, 145), "memory grew from 100 to 145"),
        (with_wrong, "a unit is missing"),
    ],
)
def test_what_is_judged(seen: Callable[[], Result], says: str | None) -> None:
    wrong = judge(Plan(1000, "1"), seen())
    assert len(wrong) == (says is not None)
    assert says is None or says in wrong[0]


def test_every_slice_of_poison_lies_between_clean_ones() -> None:
    names = [name for name, _ in slices_of(Plan(300_000, "1"))]
    assert names[0] == names[-1] == CLEAN
    assert all(
        (before, after) == (CLEAN, CLEAN)
        for before, name, after in zip(names, names[1:], names[2:], strict=False)
        if name == SMALL
    )
    assert sum(count for name, count in slices_of(Plan(300_000, "1")) if name != CLEAN) >= 300_000
