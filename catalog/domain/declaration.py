"""The declaration: what a steward says about a file before anyone reads it. Frozen with the version it declares."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.domain.words import Text, VariableRole


class FileKind(StrEnum):
    """The file formats that are read."""

    CSV = "csv"
    PARQUET = "parquet"


class Encoding(StrEnum):
    """The character encodings of CSV files that are read."""

    UTF_8 = "utf-8"
    LATIN_1 = "latin-1"


@dataclass(frozen=True)
class Format:
    """How the file is written. Delimiter, encoding and decimal mark concern CSV only."""

    kind: FileKind = FileKind.CSV
    delimiter: str = ","
    encoding: Encoding = Encoding.UTF_8
    decimal: str = "."

    def as_dict(self) -> dict[str, str]:
        """Return the form of declarations."""
        return {
            "kind": self.kind.value,
            "delimiter": self.delimiter,
            "encoding": self.encoding.value,
            "decimal": self.decimal,
        }


@dataclass(frozen=True)
class Declaration:
    """A valid declaration; `read` is the way to one from JSON."""

    title: Text
    description: Text
    table: str
    keywords: tuple[str, ...]
    person_unique: bool
    format: Format
    variables: tuple[Variable, ...]
    review_before_release: bool = False
    population: str | None = None

    @property
    def person_id(self) -> Variable:
        """Return the one variable that says whom a row is about."""
        return next(v for v in self.variables if v.role is VariableRole.PERSON_ID)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns' names in order."""
        return tuple(v.name for v in self.variables)

    def variable(self, name: str) -> Variable | None:
        """Return the variable called `name`, or None."""
        return next((v for v in self.variables if v.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; `read` of it gives an equal declaration.

        `review_before_release`, `population`, and a variable's `transforms`, are there when they say something: what
        was declared before there were such fields keeps its hash.
        """
        return {
            "title": self.title.as_dict(),
            "description": self.description.as_dict(),
            "table": self.table,
            "keywords": list(self.keywords),
            "person_unique": self.person_unique,
            "format": self.format.as_dict(),
            "variables": [v.as_dict() for v in self.variables],
            **({"review_before_release": True} if self.review_before_release else {}),
            **({"population": self.population} if self.population else {}),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Declaration":
        """Return the declaration in `document`. Raises `Invalid` with one problem for each field to mend."""
        from hvelv.catalog.domain.declaring import declared

        return declared(document)
