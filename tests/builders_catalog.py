"""Declarations, files and datasets for tests."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI

from hvelv.catalog.domain.dataset import DataHolder, Dataset, DatasetVersion
from hvelv.catalog.domain.declaration import Declaration
from hvelv.kernel.ids import DatasetId, HolderId, PersonId
from hvelv.kernel.link import ACTOR

FIRST = (3, 7, 6, 1, 8, 9, 4, 5, 2)
SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def person_numbers(count: int, *, added: int = 80) -> list[str]:
    """Return synthetic person numbers with control digits that hold."""
    found: list[str] = []
    serial = 0
    while len(found) < count:
        day, month, year = serial % 28 + 1, serial // 28 % 12 + 1, serial // 336 % 80
        digits = f"{day:02d}{month + added:02d}{year:02d}{100 + serial // 26880 % 800:03d}"
        serial += 1
        first = -sum(w * int(d) for w, d in zip(FIRST, digits, strict=True)) % 11
        if first == 10:
            continue
        digits += str(first)
        second = -sum(w * int(d) for w, d in zip(SECOND, digits, strict=True)) % 11
        if second != 10:
            found.append(digits + str(second))
    return found


NUMBERS = person_numbers(40)


def variable(name: str, role: str = "attribute", kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "title": {"nb": name.capitalize(), "en": name}, "role": role, "type": kind} | more


def a_declaration_document(**changes: Any) -> dict[str, Any]:
    return {
        "title": {"nb": "Leverprøver", "en": "Liver tests"},
        "description": {"nb": "Svar på leverprøver", "en": "Results of liver tests"},
        "table": "liver",
        "keywords": ["lever", "fettlever"],
        "person_unique": True,
        "format": {"kind": "csv", "delimiter": ",", "encoding": "utf-8", "decimal": "."},
        "variables": [
            variable("fnr", "person_id"),
            variable("age", "quasi_identifier", "integer", low=0, high=110, unit="år"),
            variable("weight", "attribute", "decimal", low=20, high=300, step=0.1, nullable=True),
            variable("sex", "quasi_identifier", categories=[{"code": c, "label": {"nb": c}} for c in ("F", "M")]),
            variable("drawn", "date", "date"),
            variable("town", "direct_identifier"),
        ],
    } | changes


def a_declaration(**changes: Any) -> Declaration:
    return Declaration.read(a_declaration_document(**changes))


GOOD: Mapping[str, str] = {"age": "44", "weight": "71.5", "sex": "F", "drawn": "2020-02-29", "town": "Bodø"}
COLUMNS = ("fnr", *GOOD)


def a_row(person: int = 0, **changes: str) -> str:
    row = {"fnr": NUMBERS[person]} | dict(GOOD) | changes
    return ",".join(row[c] for c in COLUMNS)


def a_file(*rows: str) -> str:
    return "\n".join((",".join(COLUMNS), *rows)) + "\n"


def a_holder(name: str = "h-lab") -> DataHolder:
    return DataHolder(HolderId(name), f"Holder {name}")


def a_version(dataset: str = "d-liver", mark: str = "1", **changes: Any) -> DatasetVersion:
    return DatasetVersion(
        DatasetId(dataset),
        mark * 64,
        100,
        90,
        datetime(2026, 1, 10, tzinfo=UTC),
        PersonId("stine"),
        a_declaration(**changes),
    )


def a_dataset(dataset: str = "d-liver", holder: str = "h-lab", **changes: Any) -> Dataset:
    return Dataset(DatasetId(dataset), a_holder(holder), (a_version(dataset, **changes),))


class Caller:
    """Asks an app as another process of the platform would."""

    def __init__(self, app: FastAPI, actor: str = "") -> None:
        self.app = app
        self._headers = {ACTOR: actor} if actor else {}

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://door", headers=self._headers) as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())
