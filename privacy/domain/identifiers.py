"""Who a row belongs to: the national 11-digit number, and the tag that keeps kinds of ids apart under one key."""

from dataclasses import dataclass

from hvelv.kernel.errors import Invalid, Problem, _

DIGITS = 11
TAG_BYTES = 5
BLOCK_BYTES = 16


@dataclass(frozen=True)
class IdKind:
    """A kind of identifier: 5 tag bytes that fill an AES block together with 11 digits."""

    tag: bytes

    def __post_init__(self) -> None:
        """Refuse a tag that would not fill the block exactly."""
        if len(self.tag) != TAG_BYTES:
            raise ValueError("a tag has exactly 5 bytes")


PERSON = IdKind(b"F1\0\0\0")


class BadIdentifiers(Invalid):
    """Some identifiers are not 11 digits. Says how many at most and where, never which."""

    def __init__(self, field: str = "") -> None:
        message = _("Personnummeret må ha nøyaktig 11 sifre, uten mellomrom.")
        super().__init__((Problem(message, field),), message)


def is_person_number(text: str) -> bool:
    """Say whether `text` has the form of a Norwegian identity number: 11 ASCII digits.

    Control digits are not looked at: they are a matter of data quality, warned of at publication, and synthetic
    numbers (month + 80) break them on purpose.
    """
    return len(text) == DIGITS and text.isascii() and text.isdigit()
