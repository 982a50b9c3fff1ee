"""Figures drawn by the gate with vl-convert: Vega-Lite over a release's own rows, no network, no script of anyone's."""

from collections.abc import Mapping
from typing import Any

from hvelv.enclave.domain.exports import Artifact
from hvelv.enclave.domain.naming import title_of
from hvelv.enclave.domain.tables import plain_number

VEGA_LITE = "6.1"
WIDTH, HEIGHT, SCALE = 480, 300, 2.0


def specification(artifact: Artifact, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Vega-Lite specification: the first key along x, the others by colour, the 95 % error as a rule."""
    keys = list(document["keys"]) or ["all"]
    values = []
    for row in document["rows"]:
        value, error = row["values"][artifact.measure], row["error95"].get(artifact.measure)
        if value is None:
            continue
        entry: dict[str, Any] = {f"k{i}": str(part) for i, part in enumerate(row["key"] or ["all"])}
        entry["v"] = plain_number(value)
        if error is not None:
            entry |= {"low": plain_number(value - error), "high": plain_number(value + error)}
        values.append(entry)
    x = {"field": "k0", "type": "nominal", "title": keys[0], "sort": None, "axis": {"labelAngle": 0}}
    colour: dict[str, Any] = {}
    if len(keys) > 1:
        colour = {"color": {"field": "k1", "type": "nominal", "title": keys[1], "sort": None}}
    mark: dict[str, Any] = {"type": artifact.mark, "tooltip": False}
    if artifact.mark == "line":
        mark["point"] = True
    offset = {"xOffset": {"field": "k1", "sort": None}} if colour and artifact.mark == "bar" else {}
    error_bar = {
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}, **offset},
    }
    bars = {
        "mark": mark,
        "encoding": {
            "x": x,
            "y": {"field": "v", "type": "quantitative", "title": artifact.measure},
            **colour,
            **offset,
        },
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": title_of(artifact, document), "anchor": "start"},
        "width": WIDTH,
        "height": HEIGHT,
        "data": {"values": values},
        "layer": [bars, error_bar],
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
