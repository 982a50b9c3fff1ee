"""Refusals: every "no" that a person is meant to read and act on."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass


def _(msgid: str) -> str:
    """Mark `msgid` for translation; it is translated where it is shown."""
    return msgid


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """A "no" with its reason and what to do about it.

    `message` and `remedy` are bokmål source strings in `str.format` form and translated by whoever shows them,
    so neither may hold a data value or an identifier of a person: only names of things, counts and places.
    """

    status = 409

    def __init__(self, message: str, *, remedy: str = "", code: str = "", **params: object) -> None:
        super().__init__(message.format(**params) if params else message)
        self.message = message
        self.remedy = remedy
        self.code = code or type(self).__name__.lower()
        self.params: Mapping[str, object] = params

    def as_dict(self) -> dict[str, object]:
        """Return the form in which a refusal travels between processes."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy, "params": dict(self.params)}


class Denied(Refusal):
    """The person may not do this. Says why in words that the person can act on."""

    status = 403


class NotFound(Refusal):
    """There is no such thing, or it is not this person's to know of."""

    status = 404


class NotPossible(Refusal):
    """The thing is in a state in which this cannot be done. Names what can."""

    status = 409


class Unavailable(Refusal):
    """A part of the platform does not answer; nothing was done."""

    status = 503


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what somebody sent: where it is and how to mend it."""

    message: str
    field: str = ""
    row: int | None = None
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def text(self) -> str:
        """Return the untranslated sentence."""
        return self.message.format(**self.params) if self.params else self.message


class Invalid(Refusal):
    """What was sent cannot be used; `problems` says what to mend, one place each."""

    status = 422

    def __init__(self, problems: tuple[Problem, ...], message: str = _("Noe må rettes før dette kan lagres.")) -> None:
        super().__init__(message, code="invalid")
        self.problems = problems

    def as_dict(self) -> dict[str, object]:
        """Return the refusal with its problems."""
        return super().as_dict() | {
            "problems": [
                {"message": p.message, "field": p.field, "row": p.row, "params": dict(p.params)} for p in self.problems
            ]
        }
