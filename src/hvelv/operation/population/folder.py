"""The folder of a finished population: all of it or nothing, and never over somebody else's files."""

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hvelv.operation.population.declarations import REGISTERS, document
from hvelv.operation.population.figures import Wanted
from hvelv.operation.population.making import CANONICAL, OBJECTIONS, Progress, make
from hvelv.operation.trouble import Trouble

MADE_BY = "hvelv sample population"
MANIFEST = "manifest.json"
UNFINISHED = ".unfinished"
MOST_PERSONS = 8_000_000  # beyond, some birth day has more people than person numbers
FEWEST_PERSONS = 1_000  # below, the age groups are empty
FIRST_YEAR, LAST_YEAR, MOST_YEARS = 2000, 2039, 15  # person numbers of those born from 1895 to 2039 are known
BYTES_A_PERSON_AND_YEAR = 45


def checked(wanted: Wanted) -> Wanted:
    """Return `wanted`, if it can be made. Raises `Trouble`."""
    if not FEWEST_PERSONS <= wanted.persons <= MOST_PERSONS:
        raise Trouble(f"A population has from {FEWEST_PERSONS:,} to {MOST_PERSONS:,} persons.", "Change --persons.")
    if not FIRST_YEAR <= wanted.first_year <= wanted.last_year <= LAST_YEAR or wanted.years > MOST_YEARS:
        raise Trouble(
            f"The years are from {FIRST_YEAR} to {LAST_YEAR}, at most {MOST_YEARS} of them.",
            "For example --years 2020-2024.",
        )
    if wanted.seed < 0:
        raise Trouble("The seed is a whole number from 0 on.", "Change --seed.")
    return wanted


def produce(wanted: Wanted, target: Path, *, force: bool, progress: Progress) -> dict[str, Any]:
    """Make the population in `target`, replacing one made before, and return the manifest.

    Raises `Trouble` for a folder that holds other things, unless `force`; even then nothing is removed but files of the
    names that are written. Whoever finds the manifest finds everything that it names.
    """
    _look_at(checked(wanted), target, force=force)
    work = target / UNFINISHED
    _clear(work)
    work.mkdir(parents=True)
    try:
        rows = make(wanted, work, progress)
        for table in REGISTERS:
            _write(work / f"{table}.json", document(table, wanted))
        manifest = _manifest(wanted, work, rows)
        _write(work / MANIFEST, manifest)
        (target / MANIFEST).unlink(missing_ok=True)
        for name in (*manifest["files"], MANIFEST):
            (work / name).replace(target / name)
    finally:
        _clear(work)
    return manifest


def _look_at(wanted: Wanted, target: Path, *, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise Trouble("The target is a file, not a folder.", "Name a folder with --to.")
    if target.is_dir() and any(target.iterdir()) and not force and not _ours(target):
        raise Trouble("The folder holds other files.", "Name an empty folder with --to, or give --force.")
    there = next(p for p in (target.absolute(), *target.absolute().parents) if p.exists())
    needed = wanted.persons * wanted.years * BYTES_A_PERSON_AND_YEAR
    if shutil.disk_usage(there).free < needed:
        raise Trouble(f"There is too little room on the disk: {needed / 1e9:.1f} GB are needed.", "Make room.")


def _ours(target: Path) -> bool:
    if (target / UNFINISHED).is_dir():
        return True
    try:
        return bool(json.loads((target / MANIFEST).read_text())["made_by"] == MADE_BY)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _clear(work: Path) -> None:
    if work.exists():
        shutil.rmtree(work)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _manifest(wanted: Wanted, work: Path, rows: dict[str, int]) -> dict[str, Any]:
    names = [*(f"{t}.parquet" for t in REGISTERS), *(f"{t}.json" for t in REGISTERS), CANONICAL, OBJECTIONS]
    return {
        "made_by": MADE_BY,
        "version": version("hvelv"),
        "persons": wanted.persons,
        "years": [wanted.first_year, wanted.last_year],
        "seed": wanted.seed,
        "rows": rows,
        "files": {name: {"bytes": (work / name).stat().st_size, "sha256": _digest(work / name)} for name in names},
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
