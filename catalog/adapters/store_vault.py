"""Rows of the vault's index, in the custodian's database."""

import json

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlmodel import Field, Session, select

from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.service.vault import RawVersion
from hvelv.kernel.canonical import canonical
from hvelv.kernel.database import CustodianRow
from hvelv.kernel.ids import DatasetId, HolderId, PersonId
from hvelv.kernel.rows import insert_once, iso, moment


class RawVersionRow(CustodianRow, table=True):
    """One version in the vault."""

    __tablename__ = "catalog_raw_version"
    __table_args__ = (UniqueConstraint("upload"),)

    dataset: str = Field(primary_key=True, max_length=64)
    content_hash: str = Field(primary_key=True, max_length=64)
    holder: str = Field(max_length=64)
    object_name: str = Field(max_length=200)
    rows: int = Field(sa_type=BigInteger)
    persons: int = Field(sa_type=BigInteger)
    published_at: str = Field(max_length=40)
    published_by: str = Field(max_length=64)
    upload: str = Field(max_length=64)
    declaration: str = Field(sa_type=Text)


def _version(row: RawVersionRow) -> RawVersion:
    return RawVersion(
        DatasetId(row.dataset),
        HolderId(row.holder),
        row.content_hash,
        row.object_name,
        row.rows,
        row.persons,
        moment(row.published_at),
        PersonId(row.published_by),
        row.upload,
        Declaration.read(json.loads(row.declaration)),
    )


class SqlVersionRows:
    """The vault's index in SQL."""

    def find(self, session: Session, dataset: str, content_hash: str) -> RawVersion | None:
        """Return one version."""
        row = session.get(RawVersionRow, (dataset, content_hash))
        return _version(row) if row else None

    def of_upload(self, session: Session, upload: str) -> RawVersion | None:
        """Return the version that was made of an upload."""
        row = session.exec(select(RawVersionRow).where(RawVersionRow.upload == upload)).first()
        return _version(row) if row else None

    def holders(self, session: Session, dataset: str) -> frozenset[HolderId]:
        """Return whose versions of a dataset there are: one holder's, or nobody's yet."""
        found = session.exec(select(RawVersionRow.holder).where(RawVersionRow.dataset == dataset).distinct())
        return frozenset(HolderId(holder) for holder in found)

    def all_holders(self, session: Session) -> frozenset[HolderId]:
        """Return everyone who has published."""
        return frozenset(HolderId(holder) for holder in session.exec(select(RawVersionRow.holder).distinct()))

    def add(self, session: Session, version: RawVersion) -> bool:
        """Enter a version; False when it is there, or its upload has become another."""
        return insert_once(
            session,
            RawVersionRow(
                dataset=version.dataset,
                content_hash=version.content_hash,
                holder=version.holder,
                object_name=version.object_name,
                rows=version.rows,
                persons=version.persons,
                published_at=iso(version.published_at),
                published_by=version.published_by,
                upload=version.upload,
                declaration=canonical(version.declaration.as_dict()).decode(),
            ),
        )
