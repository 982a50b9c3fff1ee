"""Checking one batch of values against one declared variable, column by column, in polars.

Every check is a table row: what is wrong, and which rows it is wrong in. The regular expressions run in Rust's
engine, which takes linear time on any input.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.domain.words import ValueType, VariableRole
from hvelv.kernel.errors import _

INTEGER = r"^[+-]?[0-9]{1,18}$"
DECIMAL = {
    ".": r"^[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?$",
    ",": r"^[+-]?([0-9]{1,30}(,[0-9]{0,30})?|,[0-9]{1,30})([eE][+-]?[0-9]{1,3})?$",
}
ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
ELEVEN_DIGITS = r"^[0-9]{11}$"
TEN_DIGITS = r"^[0-9]{10}$"
TRUE, FALSE = ("true", "1", "ja"), ("false", "0", "nei")

TYPES: dict[ValueType, pl.DataType] = {
    ValueType.STRING: pl.String(),
    ValueType.INTEGER: pl.Int64(),
    ValueType.DECIMAL: pl.Float64(),
    ValueType.DATE: pl.Date(),
    ValueType.BOOLEAN: pl.Boolean(),
}
UNREADABLE = {
    ValueType.STRING: _("Verdien er ikke en tekst."),
    ValueType.INTEGER: _("Verdien er ikke et heltall."),
    ValueType.DECIMAL: _("Verdien er ikke et tall med desimaltegnet som er oppgitt."),
    ValueType.DATE: _("Verdien er ikke en dato på formen ÅÅÅÅ-MM-DD, fra år 1 til 9999."),
    ValueType.BOOLEAN: _("Verdien er ikke ja eller nei (true/false, 1/0, ja/nei)."),
}
MISSING = _("Verdien mangler.")


@dataclass(frozen=True)
class Finding:
    """One kind of fault in a batch: the sentence, and a mask of the rows it holds for."""

    message: str
    bad: pl.Series


def parsed(texts: pl.Series, variable: Variable, decimal: str) -> pl.Series:
    """Return the values in `texts` by the variable's type; null where they cannot be read."""
    match variable.type:
        case ValueType.STRING:
            return texts
        case ValueType.INTEGER:
            stripped = texts.str.strip_chars(" ")
            return stripped.set(~stripped.str.contains(INTEGER), None).cast(pl.Int64, strict=False)
        case ValueType.DECIMAL:
            stripped = texts.str.strip_chars(" ")
            kept = stripped.set(~stripped.str.contains(DECIMAL[decimal]), None)
            numbers = kept.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
            return numbers.set(numbers.is_infinite(), None)
        case ValueType.DATE:
            kept = texts.set(~texts.str.contains(ISO_DATE), None)
            return dated(kept.str.to_date("%Y-%m-%d", strict=False))
        case ValueType.BOOLEAN:
            lowered = texts.str.to_lowercase()
            return lowered.replace_strict(
                {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}, default=None, return_dtype=pl.Boolean
            )


def held(column: pl.Series, variable: Variable) -> pl.Series:
    """Return the values of a column that is typed in the file; null where they are no values of ours (NaN, infinity, absurd days)."""
    if variable.type is ValueType.DATE:
        return dated(column).cast(pl.Date)
    typed = column.cast(TYPES[variable.type])
    if variable.type is ValueType.DECIMAL:
        return typed.set(~typed.is_finite().fill_null(value=True), None)
    return typed


def dated(column: pl.Series) -> pl.Series:
    """Return the column with days outside the years 1 to 9999 missing: beyond them calendars stop and libraries panic."""
    day = pl.col(column.name)
    return column.to_frame().select(pl.when(day.is_between(date.min, date.max)).then(day))[column.name]


def findings(raw: pl.Series, values: pl.Series, variable: Variable) -> Iterator[Finding]:
    """Yield what is wrong in a batch. `raw` is what the file held, null where it held nothing; `values` what it means."""
    present = values.is_not_null()
    yield Finding(UNREADABLE[variable.type], raw.is_not_null() & values.is_null())
    if not variable.nullable:
        yield Finding(MISSING, raw.is_null())
    if variable.role is VariableRole.PERSON_ID:
        yield from _person_numbers(values, present)
    if variable.code_list is not None:
        codes = pl.Series(variable.code_list.codes, dtype=TYPES[variable.type])
        yield Finding(
            _("Verdien står ikke i kodeverket."), present & ~values.is_in(codes.implode()).fill_null(value=True)
        )
    if variable.low is not None:
        yield Finding(_("Verdien er under nedre grense."), (values < variable.low).fill_null(value=False))
    if variable.high is not None:
        yield Finding(_("Verdien er over øvre grense."), (values > variable.high).fill_null(value=False))


def _person_numbers(values: pl.Series, present: pl.Series) -> Iterator[Finding]:
    good = values.str.contains(ELEVEN_DIGITS).fill_null(value=True)
    ten = values.str.contains(TEN_DIGITS).fill_null(value=False)
    letters = values.str.contains(r"[^0-9]").fill_null(value=False)
    yield Finding(
        _("Personnummeret har ti sifre. Er en null foran falt bort? Lagre kolonnen som tekst."), present & ten
    )
    yield Finding(_("Personnummeret har tegn som ikke er sifre."), present & letters)
    yield Finding(_("Personnummeret har ikke elleve sifre."), present & ~good & ~ten & ~letters)
