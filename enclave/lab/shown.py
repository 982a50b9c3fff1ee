"""How things look in a notebook: plain tables, numbers in Norwegian form, everything escaped."""

from collections.abc import Iterable, Sequence
from html import escape

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
