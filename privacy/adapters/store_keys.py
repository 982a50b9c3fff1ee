"""The custodian's rows about the end of keys: what is being destroyed, and the certificates, which are kept for ever."""

from sqlalchemy import CheckConstraint, Column, Text
from sqlmodel import Field

from hvelv.kernel.database import CustodianRow


class KeyDestructionRow(CustodianRow, table=True):
    """A group of keys that is being destroyed, or is destroyed."""

    __tablename__ = "privacy_key_destruction"
    __table_args__ = (CheckConstraint("state IN ('destroying', 'destroyed')", name="state"),)

    key_group: str = Field(primary_key=True)
    state: str = Field(index=True)
    actor: str
    reason: str = Field(sa_column=Column(Text, nullable=False))
    begun_at: str
    ended_at: str | None = None


class KeyCertificateRow(CustodianRow, table=True):
    """What was destroyed where, signed. Places reached later make another number."""

    __tablename__ = "privacy_key_certificate"

    key_group: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    signed: str = Field(sa_column=Column(Text, nullable=False))
    hash: str
    made_at: str
