"""People and the roles they act in."""

from dataclasses import dataclass
from enum import StrEnum

from hvelv.kernel.ids import HolderId, PersonId


class Role(StrEnum):
    """What a person comes for; see GLOSSARY.md."""

    RESEARCHER = "researcher"
    ETHICS = "ethics"
    STEWARD = "steward"
    CHECKER = "checker"
    AUDITOR = "auditor"
    CITIZEN = "citizen"
    MANAGER = "manager"
    ADMIN = "admin"


@dataclass(frozen=True)
class Person:
    """Someone who can sign in. A steward acts for exactly one data holder."""

    id: PersonId
    name: str
    roles: frozenset[Role]
    holder: HolderId | None = None
    department: str = ""
    active: bool = True

    def __post_init__(self) -> None:
        """Refuse a steward without a holder."""
        if Role.STEWARD in self.roles and self.holder is None:
            raise ValueError("a steward acts for exactly one data holder")

    def is_(self, role: Role) -> bool:
        """Say whether the person holds `role` and is active."""
        return self.active and role in self.roles
