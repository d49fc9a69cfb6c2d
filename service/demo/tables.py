"""What the network shows of a measure, as a table on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

Json = Mapping[str, Any]


def measure_table(feed: Json) -> Table:
    """The headline group of a measure's JSON feed: a row a period, a column a reporter.

    A line stands above the first row after a change that people marked.
    """
    group = feed["groups"][0]
    every = group["series"]
    changes = {
        change["period"]: f"{each['name']}: {change['text']}"
        for each in every
        for change in each["changes"]
    }
    table = Table(
        title=f"{feed['measure']['title']}: {group['title'].lower()}",
        caption="\n".join(f"{period}, {text}" for period, text in changes.items()),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column(feed["measure"]["window"].capitalize())
    for each in every:
        table.add_column(each["name"], justify="right")
    for points in zip(*(each["points"] for each in every), strict=True):
        if points[0]["period"] in changes:
            table.add_section()
        table.add_row(points[0]["period"], *map(cell, points))
    return table


def cell(point: Json) -> str:
    """A rate with its counts, or the state that stands in its place."""
    if point["state"] != "number":
        return str(point["state"])
    provisional = " provisional" if point["provisional"] else ""
    return f"{point['rate']:.0%} {point['numerator']}/{point['denominator']}{provisional}"
