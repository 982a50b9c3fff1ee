"""Rows of accounts, allocations, charges and top-ups. Whole micro-rho and femto of delta; moments as text in UTC.

The CHECKs repeat in the database what the services promise: nothing overdrawn, nothing free, no decision by one alone.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Text, UniqueConstraint
from sqlmodel import Field

from hvelv.kernel.database import CustodianRow
from hvelv.privacy.domain.charging import MOST_DELTA, MOST_MICRO


def _amount() -> Column[int]:
    return Column(BigInteger, nullable=False)


def _long(*, empty: bool = False) -> Column[str]:
    return Column(Text, nullable=empty)


class PopulationRow(CustodianRow, table=True):
    """A population's account: all versions of all its datasets share it."""

    __tablename__ = "privacy_population"
    __table_args__ = (
        CheckConstraint("cap > 0 AND allotted >= 0 AND allotted <= cap", name="within"),
        CheckConstraint("spent >= 0 AND spent <= allotted", name="spent"),
        CheckConstraint(
            "delta_spent >= 0 AND delta_spent <= delta_allotted AND delta_allotted <= delta_cap"
            f" AND delta_cap <= {MOST_DELTA}",
            name="delta",
        ),
        CheckConstraint("persons >= 0", name="persons"),
    )

    population: str = Field(primary_key=True)
    holder: str = Field(index=True)
    title: str
    persons: int = Field(sa_column=_amount())
    cap: int = Field(sa_column=_amount())
    allotted: int = Field(sa_column=_amount())
    spent: int = Field(sa_column=_amount())
    delta_cap: int = Field(sa_column=_amount())
    delta_allotted: int = Field(sa_column=_amount())
    delta_spent: int = Field(sa_column=_amount())
    opened_at: str


class DatasetRow(CustodianRow, table=True):
    """Which population a dataset is about. Written once and never changed: moving it would begin the account anew."""

    __tablename__ = "privacy_dataset"

    dataset: str = Field(primary_key=True)
    population: str = Field(foreign_key="privacy_population.population", index=True)
    title: str
    opened_at: str


class AllocationRow(CustodianRow, table=True):
    """What a permit gave a project of a population's account, for one dataset. The platform's own share is one, too."""

    __tablename__ = "privacy_allocation"
    __table_args__ = (
        CheckConstraint("allocated >= 0 AND spent >= 0 AND spent <= allocated", name="within"),
        CheckConstraint("delta_spent >= 0 AND delta_spent <= delta_allocated", name="delta"),
    )

    project: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True, foreign_key="privacy_dataset.dataset")
    allocated: int = Field(sa_column=_amount())
    spent: int = Field(sa_column=_amount())
    delta_allocated: int = Field(sa_column=_amount())
    delta_spent: int = Field(sa_column=_amount())
    is_open: bool = True
    opened_at: str


class ChargeRow(CustodianRow, table=True):
    """One charge, and the release that it paid for once there is one."""

    __tablename__ = "privacy_charge"
    __table_args__ = (
        UniqueConstraint("project", "idempotency_key"),
        CheckConstraint(
            "(state = 'charged' AND release IS NULL) OR (state = 'released' AND release IS NOT NULL)", name="state"
        ),
    )

    id: str = Field(primary_key=True)
    project: str = Field(index=True)
    person: str
    idempotency_key: str
    query_hash: str = Field(index=True)
    extract_hash: str
    summary: str
    state: str
    at: str
    release: str | None = Field(default=None, sa_column=_long(empty=True))


class ChargeLineRow(CustodianRow, table=True):
    """What a charge cost on one dataset."""

    __tablename__ = "privacy_charge_line"
    __table_args__ = (
        CheckConstraint(f"rho_micro > 0 AND rho_micro <= {MOST_MICRO}", name="costs"),
        CheckConstraint(f"delta_femto >= 0 AND delta_femto <= {MOST_DELTA}", name="delta"),
        CheckConstraint(f"pure_micro IS NULL OR (pure_micro > 0 AND pure_micro <= {MOST_MICRO})", name="pure"),
    )

    charge: str = Field(primary_key=True, foreign_key="privacy_charge.id")
    dataset: str = Field(primary_key=True, foreign_key="privacy_dataset.dataset", index=True)
    rho_micro: int = Field(sa_column=_amount())
    delta_femto: int = Field(sa_column=_amount())
    pure_micro: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))


class TopUpRow(CustodianRow, table=True):
    """A larger account, proposed by one steward and confirmed by another."""

    __tablename__ = "privacy_topup"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'confirmed', 'refused', 'withdrawn')", name="state"),
        CheckConstraint("cap_before > 0 AND cap > cap_before", name="larger"),
        CheckConstraint("reason <> ''", name="reason"),
        CheckConstraint("state <> 'confirmed' OR (decided_by <> '' AND decided_by <> proposed_by)", name="by_two"),
    )

    id: str = Field(primary_key=True)
    population: str = Field(foreign_key="privacy_population.population", index=True)
    holder: str
    cap_before: int = Field(sa_column=_amount())
    cap: int = Field(sa_column=_amount())
    reason: str = Field(sa_column=_long())
    period_from: str | None = None
    period_until: str | None = None
    proposed_by: str
    proposed_at: str
    state: str = Field(index=True)
    decided_by: str
    decided_at: str | None = None
