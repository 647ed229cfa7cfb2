"""What the panels of all dashboards have in common."""

from __future__ import annotations

import warnings
from typing import Final, TypeVar

from grafana_foundation_sdk.models import common

with warnings.catch_warnings():
    # It prefers its second schema, which Grafana does not yet take from files by default.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as common_builders
    from grafana_foundation_sdk.builders import stat, table, timeseries

UNKNOWN: Final = "—"

Panel = TypeVar("Panel", stat.Panel, table.Panel, timeseries.Panel)


def described(panel: Panel, title: str, description: str, unit: str, source: common.DataSourceRef) -> Panel:
    """With a title, what it shows, its unit, and a dash for what is unknown."""
    return panel.title(title).description(description).unit(unit).no_value(UNKNOWN).datasource(source)


def lines() -> timeseries.Panel:
    """A line for each metric; a gap where a value is unknown."""
    panel = timeseries.Panel().span_nulls(False).fill_opacity(5).line_width(1.5).height(9)
    return panel.show_points(common.VisibilityMode.NEVER).legend(_legend())


def _legend() -> common_builders.VizLegendOptions:
    legend = common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
    return legend.display_mode(common.LegendDisplayMode.LIST)
