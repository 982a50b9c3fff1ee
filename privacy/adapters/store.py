"""The custodian's rows about privacy: keys, extracts, jobs. Moments as ISO 8601 text in UTC."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Text
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
