"""The custodian's rows about privacy. Integers of micro-rho; moments as ISO 8601 text in UTC.

The CHECKs repeat in the database what the services promise: no account or allocation overdrawn, no free charge.
"""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Text, UniqueConstraint
from sqlmodel import Field

from hvelv.kernel.database import CustodianRow


def moment_text(moment: datetime) -> str:
    """Return the stored form of a moment; it sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment_from(text: str) -> datetime:
    """Return the moment, aware and in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _amount() -> Column[int]:
    return Column(BigInteger, nullable=False)


def _long() -> Column[str]:
    return Column(Text, nullable=False)


class KeyRow(CustodianRow, table=True):
    """A wrapped key; empty once destroyed. `direct`: the key-encryption key that wrapped it itself, if one did."""

    __tablename__ = "privacy_key"

    name: str = Field(primary_key=True)
    version: int
    wrapped: str = Field(sa_column=_long())
    made_at: str
    destroyed_at: str | None = None
    direct: str | None = None


class AccountRow(CustodianRow, table=True):
    """A dataset's account: all its versions share it."""

    __tablename__ = "privacy_account"
    __table_args__ = (CheckConstraint("cap > 0 AND allotted >= 0 AND allotted <= cap", name="within"),)

    dataset: str = Field(primary_key=True)
    title: str
    cap: int = Field(sa_column=_amount())
    allotted: int = Field(sa_column=_amount())
    opened_at: str


class AllocationRow(CustodianRow, table=True):
    """What a permit gave a project of a dataset's account."""

    __tablename__ = "privacy_allocation"
    __table_args__ = (CheckConstraint("allocated >= 0 AND spent >= 0 AND spent <= allocated", name="within"),)

    project: str = Field(primary_key=True)
    dataset: str = Field(primary_key=True, foreign_key="privacy_account.dataset")
    allocated: int = Field(sa_column=_amount())
    spent: int = Field(sa_column=_amount())
    is_open: bool = True
    opened_at: str


class ChargeRow(CustodianRow, table=True):
    """One charge, and the release that it paid for once there is one."""

    __tablename__ = "privacy_charge"
    __table_args__ = (
        UniqueConstraint("project", "idempotency_key"),
        CheckConstraint("rho_micro > 0", name="costs"),
        CheckConstraint(
            "(state = 'charged' AND release IS NULL) OR (state = 'released' AND release IS NOT NULL)", name="state"
        ),
    )

    id: str = Field(primary_key=True)
    project: str = Field(index=True)
    dataset: str
    person: str
    idempotency_key: str
    query_hash: str
    summary: str
    rho_micro: int = Field(sa_column=_amount())
    state: str
    at: str
    release: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class ExtractRow(CustodianRow, table=True):
    """A published extract: immutable, known by its hash. `steps` is JSON, by column."""

    __tablename__ = "privacy_extracted"

    project: str = Field(primary_key=True)
    table_name: str = Field(primary_key=True)
    generation: int = Field(primary_key=True)
    permit_version: int
    dataset: str
    bucket: str
    sha256: str
    steps: str = Field(sa_column=_long())
    objections: str
    fingerprint: str
    job: str
    code_version: str
    published_at: str
    withdrawn_at: str | None = None


class ExtractPartRow(CustodianRow, table=True):
    """One file of a published extract."""

    __tablename__ = "privacy_extract_part"
    __table_args__ = (CheckConstraint("row_count >= 0 AND person_count >= 0", name="counts"),)

    project: str = Field(primary_key=True)
    table_name: str = Field(primary_key=True)
    generation: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    object_name: str
    sha256: str
    row_count: int = Field(sa_column=_amount())
    person_count: int = Field(sa_column=_amount())


class JobRow(CustodianRow, table=True):
    """Work that a workflow does for a project, and how far it has come."""

    __tablename__ = "privacy_job"
    __table_args__ = (CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name="state"),)

    id: str = Field(primary_key=True)
    kind: str
    project: str = Field(index=True)
    state: str = Field(index=True)
    step: int = 0
    steps: int = 0
    message: str = ""
    attempts: int = 0
    made_at: str
    updated_at: str
