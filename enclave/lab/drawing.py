"""Pictures of answers in the notebook, drawn from released numbers and their errors. What leaves is drawn by the gate."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.naming import named, renamed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (7.0, 4.0)  # inches
COLOURS = ("#0b5d8a", "#c2571a", "#3b7d3b", "#7b4a9e", "#8a6d1d", "#555555", "#b03060", "#2f8f8f")
FAINT = 0.18
MOST_NOTES = 144  # cells of a heat map that have their number written
LONG_NAME = 6  # letters; longer ones are written aslant
WIDE = 0.8  # of the room that a group of bars has


class Picture:
    """A picture that shows itself in a notebook; `figure` is matplotlib's, to change as you like."""

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()

    def __repr__(self) -> str:
        return "et bilde av svaret"


@dataclass(frozen=True)
class Series:
    """What is drawn in one colour: rows of the answer, and where they stand among the others."""

    rows: "pd.DataFrame"
    x: str
    y: str
    colour: str
    label: str
    place: int
    of: int
    start: tuple[float, float] | None
    names: tuple[str, ...]  # what is written along the axis, where it has words

    @property
    def heights(self) -> list[float]:
        """Return the values; NaN where there is none."""
        return [float(each) for each in self.rows[self.y].astype(float)]

    @property
    def places(self) -> list[float]:
        """Return where they stand, side by side with those of the other colours."""
        beside = (self.place - (self.of - 1) / 2) * WIDE / self.of
        return [self.names.index(str(each)) + beside for each in self.rows[self.x]]

    @property
    def interval(self) -> tuple[list[float], list[float]] | None:
        """Return the lower and upper end of each value: its own interval, or its error to both sides."""
        columns = self.rows.columns
        if f"{self.y}_low" in columns:
            low, high = (self.rows[f"{self.y}_{end}"].astype(float) for end in ("low", "high"))
            return list(low), list(high)
        if f"{self.y}_error95" not in columns:
            return None
        error = self.rows[f"{self.y}_error95"].astype(float)
        both = list(zip(self.heights, error, strict=True))
        return [value - width for value, width in both], [value + width for value, width in both]

    @property
    def arms(self) -> list[list[float]] | None:
        """Return how far the interval reaches below and above; never less than nothing."""
        if self.interval is None:
            return None
        low, high = self.interval
        below = [max(0.0, value - end) for value, end in zip(self.heights, low, strict=True)]
        above = [max(0.0, end - value) for value, end in zip(self.heights, high, strict=True)]
        return [below, above]


def drawn(
    frame: "pd.DataFrame",
    asked: Mapping[str, Any],
    keys: Sequence[str],
    measures: Sequence[str],
    called: Mapping[str, str],
) -> Picture:
    """Return the picture that `asked` describes: mark, x, y, colour, value, start. What it leaves out is the first there is."""
    from matplotlib.figure import Figure

    plan = {key: renamed(each, called) if isinstance(each, str) else each for key, each in asked.items()}
    x = named(str(asked.get("x") or next(iter(keys), "")), called)
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    if frame.empty or not measures:
        axes.text(0.5, 0.5, "Svaret har ingen rader.", ha="center")
        return Picture(figure)
    if plan.get("mark") == "heat":
        _heat(
            axes,
            frame,
            x,
            str(plan["y"]),
            next(str(each) for each in (plan.get("value"), plan.get("colour"), measures[0]) if each),
        )
        return Picture(figure)
    y = str(plan["y"]) if plan.get("y") in frame.columns else measures[0]
    if x not in frame.columns:
        frame, x = frame.assign(**{"": ""}), ""
    mark, colour = str(plan.get("mark")), _colour(frame, x, plan.get("colour"), keys)
    if mark == "point" and colour is not None:  # what belongs to the name of a point is written below it
        frame = frame.assign(
            **{x: [" ".join(map(str, each)).strip() for each in zip(frame[x], frame[colour], strict=True)]}
        )
        colour = None
    _draw(axes, frame, MARKS.get(mark, _bars), (x, y, colour), plan.get("start"))
    return Picture(figure)


def _colour(frame: "pd.DataFrame", x: str, wanted: Any, keys: Sequence[str]) -> str | None:
    """Return the key that tells rows with the same `x` apart: the one asked for, or the first that does; None for none."""
    if wanted in frame.columns and wanted != x:
        return str(wanted)
    if not frame.duplicated([x]).any():
        return None
    others = [key for key in keys if key != x and key in frame.columns]
    return next((key for key in others if not frame.duplicated([x, key]).any()), next(iter(others), None))


def _draw(axes: "Axes", frame: "pd.DataFrame", mark: "Mark", of: tuple[str, str, str | None], start: Any) -> None:
    x, y, colour = of
    names = tuple(dict.fromkeys(str(each) for each in frame[x]))
    parts = [("", frame)] if colour is None else [(str(name), part) for name, part in frame.groupby(colour, sort=False)]
    for place, (label, part) in enumerate(parts[: len(COLOURS)]):
        mark(axes, Series(part, x, y, COLOURS[place], label, place, min(len(parts), len(COLOURS)), start, names))
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    if colour is not None:
        axes.legend(title=colour, frameon=False)


def _bars(axes: "Axes", series: Series) -> None:
    axes.bar(series.places, series.heights, WIDE / series.of, color=series.colour, label=series.label)
    if series.arms:
        axes.errorbar(
            series.places, series.heights, yerr=series.arms, fmt="none", ecolor="#222222", capsize=2, linewidth=1
        )
    _write_below(axes, series.names)


def _points(axes: "Axes", series: Series) -> None:
    axes.errorbar(
        series.places, series.heights, yerr=series.arms, fmt="o", color=series.colour, label=series.label, capsize=3
    )
    _write_below(axes, series.names)


def _write_below(axes: "Axes", names: Sequence[str]) -> None:
    aslant = max(map(len, names)) > LONG_NAME
    axes.set_xticks(range(len(names)), names, rotation=45 if aslant else 0, ha="right" if aslant else "center")


def _lines(axes: "Axes", series: Series) -> None:
    at, values, ends = _begun(series)
    axes.plot(at, values, marker="o", markersize=3, color=series.colour, label=series.label)
    _band(axes, series, at, ends, None)
    if any(isinstance(each, str) for each in at):
        axes.tick_params("x", rotation=45)


def _steps(axes: "Axes", series: Series) -> None:
    at, values, ends = _begun(series)
    axes.step(at, values, where="post", color=series.colour, label=series.label)
    _band(axes, series, at, ends, "post")


Ends = tuple[list[float], list[float]] | None


def _begun(series: Series) -> tuple[list[Any], list[float], Ends]:
    """Return the curve with the point that it begins at, where there is one."""
    at, values, ends = list(series.rows[series.x]), series.heights, series.interval
    if series.start is None:
        return at, values, ends
    x, y = series.start
    return [x, *at], [y, *values], ([y, *ends[0]], [y, *ends[1]]) if ends else None


def _band(axes: "Axes", series: Series, at: Sequence[Any], ends: Ends, step: Literal["post"] | None) -> None:
    if ends:
        axes.fill_between(at, ends[0], ends[1], step=step, color=series.colour, alpha=FAINT, linewidth=0)


def _heat(axes: "Axes", frame: "pd.DataFrame", x: str, y: str, measure: str) -> None:
    """Draw one square for each pair of keys; of more keys than two, the first of each pair."""
    first = frame.drop_duplicates([y, x])
    columns, rows = list(dict.fromkeys(first[x])), list(dict.fromkeys(first[y]))
    told = {
        (row, column): value
        for row, column, value in zip(first[y], first[x], first[measure].astype(float), strict=True)
    }
    grid = [[told.get((row, column), math.nan) for column in columns] for row in rows]
    image = axes.imshow(grid, cmap="viridis", aspect="auto")
    pale = [each for line in grid for each in line if not math.isnan(each)] or [0.0]
    middle = (min(pale) + max(pale)) / 2
    axes.get_figure().colorbar(image, ax=axes, label=measure)  # type: ignore[union-attr]
    axes.set_xticks(range(len(columns)), [str(each) for each in columns], rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), [str(each) for each in rows])
    axes.set(xlabel=x, ylabel=y)
    for i, j in product(range(len(rows)), range(len(columns))):
        if len(rows) * len(columns) <= MOST_NOTES and not math.isnan(grid[i][j]):
            ink = "black" if grid[i][j] > middle else "white"
            axes.text(j, i, shown.number(grid[i][j], 2), ha="center", va="center", color=ink, fontsize=8)


Mark = Callable[["Axes", Series], None]
MARKS: Mapping[str, Mark] = {
    "bar": _bars,
    "line": _lines,
    "step": _steps,
    "point": _points,
}
