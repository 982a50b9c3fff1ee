"""Figures drawn by the gate with vl-convert: Vega-Lite over a release's own rows, no network, no script of anyone's."""

from collections.abc import Callable, Mapping
from typing import Any

from hvelv.enclave.domain.exports import Artifact
from hvelv.enclave.domain.naming import title_of
from hvelv.enclave.domain.tables import plain_number

VEGA_LITE = "6.1"
WIDTH, HEIGHT, SCALE = 480, 300, 2.0
ALONG = frozenset({"line", "step"})  # marks along an axis of numbers, where the keys are numbers

Encoding = dict[str, Any]


def _values(artifact: Artifact, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one record for each row with a value: its keys, the value, and the ends of its interval."""
    found = []
    for row in document["rows"]:
        value = row["values"][artifact.measure]
        if value is None:
            continue
        entry: dict[str, Any] = {f"k{i}": _key(part) for i, part in enumerate(row["key"] or ["all"])}
        found.append(entry | {"v": plain_number(value)} | _interval(artifact.measure, row, value))
    return found


def _interval(measure: str, row: Mapping[str, Any], value: float) -> dict[str, Any]:
    low, high = (row["values"].get(f"{measure}_{end}") for end in ("low", "high"))
    if low is not None and high is not None:
        return {"low": plain_number(low), "high": plain_number(high)}
    error = row["error95"].get(measure)
    return {} if error is None else {"low": plain_number(value - error), "high": plain_number(value + error)}


def _key(part: Any) -> Any:
    return part if isinstance(part, int | float) and not isinstance(part, bool) else str(part)


def _axes(artifact: Artifact, document: Mapping[str, Any], values: list[dict[str, Any]]) -> tuple[str, str, Encoding]:
    """Return the fields along x and by colour, and the x axis: what the release says, else the first two keys."""
    keys = list(document["keys"]) or ["all"]
    picture = document.get("picture") or {}
    first = keys.index(picture["x"]) if picture.get("x") in keys else 0
    others = [i for i in range(len(keys)) if i != first]
    second = keys.index(picture["colour"]) if picture.get("colour") in keys else (others or [first])[0]
    x, colour = f"k{first}", f"k{second}"
    numbers = artifact.mark in ALONG and all(isinstance(entry[x], int | float) for entry in values)
    axis: Encoding = {"field": x, "title": keys[first]}
    axis |= {"type": "quantitative"} if numbers else {"type": "nominal", "sort": None, "axis": {"labelAngle": 0}}
    return colour if second != first else "", keys[second], axis


def _bars(artifact: Artifact, colour: Encoding, x: Encoding, y: Encoding) -> list[Encoding]:
    offset = {"xOffset": {"field": colour["color"]["field"], "sort": None}} if colour and artifact.mark == "bar" else {}
    rule = {
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}, **offset},
    }
    mark = {"type": "line", "point": True} if artifact.mark == "line" else {"type": artifact.mark}
    return [{"mark": mark | {"tooltip": False}, "encoding": {"x": x, "y": y, **colour, **offset}}, rule]


def _steps(_artifact: Artifact, colour: Encoding, x: Encoding, y: Encoding) -> list[Encoding]:
    low = {"field": "low", "type": "quantitative", "title": y["title"]}
    band = {
        "mark": {"type": "area", "opacity": 0.2, "interpolate": "step-after"},
        "encoding": {"x": x, "y": low, "y2": {"field": "high"}, **colour},
    }
    return [band, {"mark": {"type": "line", "interpolate": "step-after"}, "encoding": {"x": x, "y": y, **colour}}]


def _heat(_artifact: Artifact, colour: Encoding, x: Encoding, y: Encoding) -> list[Encoding]:
    field = colour["color"]["field"] if colour else x["field"]
    rows = {"field": field, "type": "nominal", "sort": None, "title": colour["color"]["title"] if colour else ""}
    shade = {"field": "v", "type": "quantitative", "title": y["title"]}
    return [{"mark": "rect", "encoding": {"x": x, "y": rows, "color": shade}}]


DRAWN: Mapping[str, Callable[[Artifact, Encoding, Encoding, Encoding], list[Encoding]]] = {
    "bar": _bars,
    "line": _bars,
    "point": _bars,
    "step": _steps,
    "heat": _heat,
}


def specification(artifact: Artifact, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Vega-Lite specification: a key along x, another by colour, the interval as a rule or a band."""
    values = _values(artifact, document)
    field, title, x = _axes(artifact, document, values)
    colour = {"color": {"field": field, "type": "nominal", "title": title, "sort": None}} if field else {}
    y = {"field": "v", "type": "quantitative", "title": artifact.measure}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": title_of(artifact, document), "anchor": "start"},
        "width": WIDTH,
        "height": HEIGHT,
        "data": {"values": values},
        "layer": DRAWN[artifact.mark](artifact, colour, x, y),
    }


def as_svg(artifact: Artifact, document: Mapping[str, Any]) -> bytes:
    """Return the figure as SVG."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(specification(artifact, document), vl_version=VEGA_LITE, allowed_base_urls=[])
    return svg.encode()


def as_png(artifact: Artifact, document: Mapping[str, Any]) -> bytes:
    """Return the figure as PNG."""
    import vl_convert

    spec = specification(artifact, document)
    png: bytes = vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE, allowed_base_urls=[])
    return png
