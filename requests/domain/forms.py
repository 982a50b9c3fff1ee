"""In which form a variable is asked for: what the steward hands out at least, and what a project narrows it to."""

from collections.abc import Mapping, Sequence

from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.forms import BY_KEY, Offer, documents_of, key_of
from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.transforms import Transform, as_documents, combined, fits, transformed, transforms_from
from hvelv.requests.domain.draft import Share

ASKED = ("month", "year", "bands5", "bands10", "truncate3", "truncate2")  # what an applicant chooses among, by name


def schema_of(declaration: Declaration) -> Schema:
    """Return the declared table as privacy sees it."""
    return Schema.from_declaration(declaration.as_dict())


def forms_hold(share: Share, declaration: Declaration) -> bool:
    """Say whether a part's steps fit what the steward declared.

    They concern its own columns, each is possible after the steward's own steps, and no column is asked for that the
    steward hands out in no form.
    """
    schema = schema_of(declaration)
    try:
        schema.extracted(share.columns, dict(share.transforms))
    except Invalid:
        return False
    asked = [column for column in schema.columns if column.name in share.columns and column.leaves]
    return all(transformed(column, column.transforms) is not None for column in asked)


def offered(declaration: Declaration) -> Mapping[str, tuple[Offer, ...]]:
    """Return, for each variable, the coarser forms that can be asked for by name."""
    return {column.name: _offered(column) for column in schema_of(declaration).columns}


def _offered(column: Column) -> tuple[Offer, ...]:
    return tuple(BY_KEY[key] for key in ASKED if _coarser(key, column))


def _coarser(key: str, column: Column) -> bool:
    """Say whether a form fits the column and would change something: codes of two letters have no third one to lose."""
    steps = steps_of(key, column)
    if steps is None:
        return False
    coded = transformed(column, column.transforms)
    return coded is None or not coded.categories or transformed(column, combined(column.transforms, steps)) != coded


def steps_of(key: str, column: Column) -> tuple[Transform, ...] | None:
    """Return the steps of the form called `key`; None where there is no such form or it does not fit the column."""
    leaving = transformed(column, column.transforms) if fits(column, column.transforms) else None
    if leaving is None or (key and key not in ASKED):
        return None
    documents = documents_of(key, leaving.low, leaving.high)
    if documents is None:
        return None
    steps = transforms_from(documents)
    return steps if fits(column, combined(column.transforms, steps)) else None


def chosen(steps: Sequence[Transform], column: Column) -> str:
    """Return what the form of `steps` is called; its JSON where it has no name."""
    leaving = transformed(column, column.transforms) if fits(column, column.transforms) else None
    low, high = (leaving.low, leaving.high) if leaving else (None, None)
    return key_of(as_documents(steps), low, high)
