"""Pictures of risk for stewards: Vega-Lite over a report's counts, drawn on the server as SVG for the page itself.

Colours are the design system's own variables, so that pictures follow light and dark; there is no style attribute, which
the portal's policy would refuse. Beside each picture the page has the same numbers as a table.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hvelv.kernel.errors import _
from hvelv.portal.i18n import Language

VEGA_LITE = "6.1"
WIDTH, HEIGHT = 520, 220
INK, LINE = "var(--ds-color-neutral-text-default)", "var(--ds-color-neutral-border-subtle)"
PAPER = "var(--ds-color-neutral-background-default)"
BAD, GOOD = "var(--ds-color-danger-base-default)", "var(--ds-color-accent-base-default)"
EARLIER = "var(--ds-color-neutral-border-default)"
SHADES = (  # share of persons alone, from which the shade holds; its fill and the ink on it
    (0.0, "var(--ds-color-neutral-surface-tinted)", INK),
    (1e-9, "var(--ds-color-warning-surface-tinted)", INK),
    (0.01, "var(--ds-color-warning-surface-hover)", INK),
    (0.05, "var(--ds-color-warning-surface-active)", INK),
    (0.2, "var(--ds-color-danger-base-default)", "var(--ds-color-danger-base-contrast-default)"),
)
NUMBERS: Mapping[str, dict[str, Any]] = {  # how d3 writes them
    "nb": {"decimal": ",", "thousands": "\u00a0", "grouping": [3], "currency": ["", ""], "percent": "\u00a0%"},
    "en": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", ""], "percent": "%"},
}
CELL, LONGEST_NAME = 64, 14
ROOM = {"left": 24, "right": 5, "top": 5, "bottom": 5}  # names are measured in a narrower font than the page has
Spec = dict[str, Any]
Document = Mapping[str, Any]


def group_name(start: int, end: int | None) -> str:
    """Return what a group of so many persons is called: "1", "3–4", "100+"."""
    if end is None:
        return f"{start}+"
    return str(start) if start == end else f"{start}–{end}"


def sizes(lang: Language, report: Document, before: Document | None) -> Spec:
    """Return bars of persons by how many are like them."""
    limit = report["policy"]["min_k"]
    values = [
        {"group": group_name(start, end), "persons": persons, "colour": BAD if start < limit else GOOD, "when": "2"}
        for start, end, persons in report["sizes"]
    ]
    if before:
        values += [
            {"group": group_name(start, end), "persons": persons, "colour": EARLIER, "when": "1"}
            for start, end, persons in before["sizes"]
        ]
    x = {
        "field": "group",
        "type": "ordinal",
        "sort": None,
        "title": lang.translate(_("Så mange er like (personer i gruppen)")),
        "axis": {"labelAngle": 0},
    }
    y = {"field": "persons", "type": "quantitative", "title": lang.translate(_("Personer")), "axis": {"tickMinStep": 1}}
    colour = {"field": "colour", "type": "nominal", "scale": None}
    offset = {"xOffset": {"field": "when", "sort": ["1", "2"]}} if before else {}
    order = [group_name(start, end) for start, end, _persons in report["sizes"]]
    encoding = {"x": {**x, "sort": order}, "y": y, "color": colour, **offset}
    return _framed({"mark": "bar", "encoding": encoding}, values, HEIGHT)


def risks(lang: Language, report: Document, before: Document | None) -> Spec:
    """Return the chances of being found, each with its limit as a line across."""
    names = {
        "average": (_("I snitt (aktor)"), report["policy"]["max_average"]),
        "journalist": (_("Høyest (journalist)"), report["policy"]["max_highest"]),
        "small": (_("I små grupper"), report["policy"]["max_small"]),
    }
    values: list[Spec] = []
    for when, document in (("1", before), ("2", report)):
        for found in (document or {"findings": ()})["findings"]:
            if found["measure"] in names:
                colour = EARLIER if when == "1" else (GOOD if found["within"] else BAD)
                name, limit = names[found["measure"]]
                values.append(
                    {
                        "name": lang.translate(name),
                        "share": found["value"],
                        "limit": limit,
                        "colour": colour,
                        "when": when,
                    }
                )
    y = {"field": "name", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 220}}
    x = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"format": "%", "tickCount": 5},
        "title": lang.translate(_("Andel eller sjanse; streken er grensen")),
    }
    offset = {"yOffset": {"field": "when", "sort": ["1", "2"]}} if before else {}
    bars = {"mark": "bar", "encoding": {"x": x, "y": y, "color": {"field": "colour", "scale": None}, **offset}}
    places = {"x": {"field": "limit", "type": "quantitative"}, "y": y}
    edge = {"mark": {"type": "tick", "color": PAPER, "thickness": 7, "size": 40}, "encoding": places}
    limit_line = {"mark": {"type": "tick", "color": INK, "thickness": 3, "size": 40}, "encoding": places}
    rows = len({value["name"] for value in values})
    return _framed({"layer": [bars, edge, limit_line]}, values, max(rows, 1) * 48) | {"padding": ROOM}


def pairs(lang: Language, report: Document, _before: Document | None) -> Spec:
    """Return a matrix of variables: the share of persons who are alone with two of them, or with one on the diagonal."""
    names = [_short(name) for name in report["quasi"]]
    values = []
    for subset in report["subsets"]:
        columns = [_short(name) for name in subset["columns"]]
        if len(columns) > 2:  # noqa: PLR2004 - a matrix has two sides
            continue
        share = subset["persons"] / max(report["persons"], 1)
        fill, ink = next((fill, ink) for start, fill, ink in reversed(SHADES) if share >= start)
        shown = {"share": percent(lang, share), "fill": fill, "ink": ink}
        values += [{"a": a, "b": b, **shown} for a, b in {(columns[0], columns[-1]), (columns[-1], columns[0])}]
    axes = {
        "x": {
            "field": "a",
            "type": "nominal",
            "sort": names,
            "title": None,
            "axis": {"orient": "top", "labelAngle": 0},
        },
        "y": {"field": "b", "type": "nominal", "sort": names, "title": None},
    }
    fills = {"mark": {"type": "rect", "stroke": LINE}, "encoding": {**axes, "color": {"field": "fill", "scale": None}}}
    texts = {
        "mark": {"type": "text", "fontSize": 13},
        "encoding": {**axes, "text": {"field": "share"}, "color": {"field": "ink", "scale": None}},
    }
    drawn = _framed({"layer": [fills, texts]}, values, {"step": CELL * 0.7})
    return drawn | {"padding": ROOM, "width": {"step": max(CELL, 8 * max((len(n) for n in names), default=0))}}


def percent(lang: Language, share: float) -> str:
    """Return a share as a percentage, in which few are not shown as none."""
    if 0 < share < 0.001:  # noqa: PLR2004 - a tenth of a per cent
        return "<" + lang.decimals(0.1, 1) + "\u00a0%"
    return lang.decimals(share * 100, 1 if 0 < share < 0.1 else 0) + "\u00a0%"  # noqa: PLR2004


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _framed(content: Spec, values: Sequence[Spec], height: float | Spec) -> Spec:
    axis = {
        "labelColor": INK, "titleColor": INK, "domainColor": LINE, "tickColor": LINE, "gridColor": LINE,
        "labelFontSize": 13, "titleFontSize": 13, "titleFontWeight": 500, "titlePadding": 10,
    }  # fmt: skip
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": height,
        "background": None,
        "data": {"values": list(values)},
        "config": {"axis": axis, "view": {"stroke": None}, "font": "Inter, system-ui, sans-serif"},
        **content,
    }


KINDS = {"sizes": sizes, "risks": risks, "pairs": pairs}


def picture(lang: Language, report: Document, kind: str, title: str, before: Document | None = None) -> Markup:
    """Return the picture as SVG that screen readers take for one image called `title`."""
    svg = _drawn(json.dumps(KINDS[kind](lang, report, before), sort_keys=True), lang.code)
    named = Markup('<svg role="img" aria-label="{}" ').format(title)
    return named + Markup(svg.removeprefix("<svg "))  # noqa: S704 - drawn here, from numbers and declared names, escaped


@functools.lru_cache(maxsize=64)
def _drawn(spec: str, language: str) -> str:
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(
        spec, vl_version=VEGA_LITE, allowed_base_urls=[], format_locale=NUMBERS[language]
    )
    return svg
