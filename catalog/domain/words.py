"""The words a declaration is made of: names, bilingual texts, and the closed lists of roles and types."""

import re
from dataclasses import dataclass
from enum import StrEnum

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # one bounded class: linear time on any input


class VariableRole(StrEnum):
    """What a variable tells about a person; decides what may be shown, extracted and released."""

    PERSON_ID = "person_id"
    DIRECT_IDENTIFIER = "direct_identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    SENSITIVE = "sensitive"
    ATTRIBUTE = "attribute"
    DATE = "date"
    FREE_TEXT = "free_text"


class ValueType(StrEnum):
    """The type of a variable's values."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    BOOLEAN = "boolean"


NUMERIC = frozenset({ValueType.INTEGER, ValueType.DECIMAL})
IDENTIFYING = frozenset({VariableRole.PERSON_ID, VariableRole.DIRECT_IDENTIFIER})  # never previewed, never extracted


@dataclass(frozen=True)
class Text:
    """A text in bokmål and English. English may be missing and then falls back."""

    nb: str
    en: str = ""

    def in_(self, locale: str) -> str:
        """Return the text for a reader of `locale`."""
        return self.en if locale == "en" and self.en else self.nb

    def as_dict(self) -> dict[str, str]:
        """Return the form of declarations."""
        return {"nb": self.nb, "en": self.en}


def is_name(name: object) -> bool:
    """Say whether `name` can name a table or a column: small letters, digits and `_`, a letter first, at most 63."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None
