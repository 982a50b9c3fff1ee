"""A first look at a CSV file's bytes: whether it is text, in the encoding said, with the columns said.

One pass in blocks of a megabyte, ended by the first fault, so that gigabytes of junk cost no more than a moment.
"""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hvelv.catalog.adapters.faults import Faults
from hvelv.catalog.domain.declaration import Declaration, Encoding
from hvelv.catalog.domain.declaring import DELIMITERS
from hvelv.kernel.errors import _

BLOCK = 1 << 20
LONGEST_LINE = 1 << 20  # bytes
PYTHON_CODEC = {Encoding.UTF_8: "utf-8", Encoding.LATIN_1: "latin-1"}
DELIMITER_NAMES = {",": _("komma"), ";": _("semikolon"), "\t": _("tabulator"), "|": _("loddrett strek")}
C1_CONTROLS = bytes(range(0x80, 0xA0))  # letters in UTF-8's second bytes, nothing at all in Latin-1


@dataclass
class Sniffed:
    """What the bytes told. `quoted` tells whether values can hold line breaks."""

    quoted: bool = False


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def sniff_bytes(path: Path, encoding: Encoding, faults: Faults, *, start_only: bool = False) -> Sniffed:
    """Note the first thing that makes the file no CSV text: NUL bytes, wrong encoding, endless lines, an open quote.

    `start_only` looks at the first block and no further.
    """
    sniffed = Sniffed()
    decoder = codecs.getincrementaldecoder(PYTHON_CODEC[encoding])()
    line, since_break, quotes = 1, 0, 0
    for block in _blocks(path):
        if (nul := block.find(b"\0")) >= 0:
            faults.add(_("Linjen har nullbyte: dette er ikke en tekstfil."), row=line + block.count(b"\n", 0, nul))
            return sniffed
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            upto = min(error.start, len(block))
            faults.add(
                _("Linjen er ikke UTF-8. Er filen lagret som Latin-1 (ISO 8859-1)?"),
                row=line + block.count(b"\n", 0, upto),
            )
            return sniffed
        if encoding is Encoding.LATIN_1 and (odd := _first_control(block)) >= 0:
            faults.add(
                _("Linjen har tegn som ikke finnes i Latin-1. Er filen lagret som UTF-8?"),
                row=line + block.count(b"\n", 0, odd),
            )
            return sniffed
        first = block.find(b"\n")
        since_break = since_break + len(block) if first < 0 else since_break + first
        if since_break > LONGEST_LINE:
            faults.add(_("Linjen er lengre enn {most} tegn."), row=line, most=LONGEST_LINE)
            return sniffed
        if first >= 0:
            since_break = len(block) - block.rfind(b"\n") - 1
        line += block.count(b"\n")
        quotes += block.count(b'"')
        if start_only:
            return sniffed
    sniffed.quoted = quotes > 0
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        faults.add(_("Linjen er ikke UTF-8. Er filen lagret som Latin-1 (ISO 8859-1)?"), row=line)
    if quotes % 2:
        faults.add(_("Et anførselstegn i filen er åpnet og ikke lukket."))
    return sniffed


def _first_control(block: bytes) -> int:
    stripped = block.translate(None, C1_CONTROLS)
    if len(stripped) == len(block):
        return -1
    return next(i for i, byte in enumerate(block) if 0x80 <= byte < 0xA0)  # noqa: PLR2004 - the C1 range


def header(path: Path, declaration: Declaration, faults: Faults) -> tuple[str, ...] | None:
    """Return the file's columns when they are the declared ones, in whatever order; else note what differs."""
    written = declaration.format
    codec = "utf-8-sig" if written.encoding is Encoding.UTF_8 else PYTHON_CODEC[written.encoding]
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
        anything_more = bool(file.read(1))
    text = line.decode(codec, "replace").rstrip("\r\n")
    if not text.strip():
        faults.add(_("Første linje er tom. Der skal kolonnenes navn stå."), row=1)
        return None
    names = _split(text, written.delimiter)
    if len(names) == 1 and len(declaration.variables) > 1:
        found = next((d for d in DELIMITERS if len(_split(text, d)) == len(declaration.variables)), None)
        if found is not None:
            faults.add(
                _("Skilletegnet er {found}, ikke {said}."),
                row=1,
                found=DELIMITER_NAMES[found],
                said=DELIMITER_NAMES[written.delimiter],
            )
        else:
            faults.add(
                _("Skilletegnet {said} finnes ikke i første linje."), row=1, said=DELIMITER_NAMES[written.delimiter]
            )
        return None
    columns_match(names, declaration, faults)
    if faults.count:
        return None
    if not anything_more:
        faults.add(_("Filen har kolonnenavn, men ingen rader."), row=1)
        return None
    return tuple(names)


def columns_match(names: list[str], declaration: Declaration, faults: Faults) -> None:
    """Note columns that are missing, undeclared or twice there. Undeclared ones by number: their names may be data."""
    for missing in [name for name in declaration.names if name not in names]:
        faults.add(_("Kolonnen mangler i filen."), missing, 1)
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if declaration.variable(name) is None:
            faults.add(_("Kolonne nummer {number} i filen er ikke beskrevet."), row=1, number=number)
        elif name in seen:
            faults.add(_("Kolonnen står to ganger i filen."), name, 1)
        seen.add(name)


def _split(text: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
    except csv.Error:
        return [text]
