"""How things look in a notebook: plain tables, numbers in Norwegian form, everything escaped."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from hvelv.enclave.lab.naming import renamed

MICRO = 1_000_000
STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
CELL = "padding:.2em .8em;border-bottom:1px solid #ccc;text-align:left"


def number(value: object, digits: int = 4) -> str:
    """Return a number with a decimal comma and at most `digits` significant figures behind the whole part."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", "\u202f")
    text = f"{value:.{digits}g}" if abs(value) < 1 else f"{value:,.2f}"
    return text.replace(",", "\u202f").replace(".", ",")


def rho(micro: object) -> str:
    """Return a privacy loss, given in millionths, as rho."""
    return number(int(micro) / MICRO, 6) if isinstance(micro, int) else "–"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """Return an HTML table. Every cell is text."""
    top = "".join(f'<th scope="col" style="{CELL}">{escape(head)}</th>' for head in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="{CELL}">{escape(number(cell))}</td>' for cell in row) + "</tr>" for row in rows
    )
    title = (
        f'<caption style="text-align:left;font-weight:600;padding:.3em 0">{escape(caption)}</caption>'
        if caption
        else ""
    )
    return f'<table style="{STYLE}">{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def lines(*sentences: str) -> str:
    """Return sentences as paragraphs; empty ones are left out."""
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)


def plain(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return the same as text, for a console."""
    cells = [list(heads), *([number(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def sentence(told: object, called: Mapping[str, str]) -> str:
    """Return a sentence with its places filled: numbers in Norwegian form, made columns by their names here."""
    if not isinstance(told, Mapping):
        return str(told)
    params = {
        str(key): renamed(value, called) if isinstance(value, str) else _number_in(value)
        for key, value in (told.get("params") or {}).items()
    }
    text = str(told.get("message", ""))
    try:
        return text.format(**params)
    except (KeyError, IndexError, ValueError):
        return text


def _number_in(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_number_in, value))
    return number(value)


def folded(heading: str, content: str) -> str:
    """Return HTML that is shown when one asks for it. The heading is text; the content is HTML of this module."""
    return f"<details><summary>{escape(heading)}</summary>{content}</details>"


def image(png: bytes) -> str:
    """Return a picture as HTML that holds it."""
    return f'<p><img alt="" style="max-width:100%" src="data:image/png;base64,{b64encode(png).decode()}"></p>'
