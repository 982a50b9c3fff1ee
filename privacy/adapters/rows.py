"""Keys, objections, extracts and jobs in SQL."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from hvelv.privacy.adapters.ledger import changed, insert_new
from hvelv.privacy.adapters.store import AccountRow, ExtractRow, JobRow, KeyRow, OptOutRow, moment_from, moment_text
from hvelv.privacy.service.extraction import Extract
from hvelv.privacy.service.jobs import Job, JobState
from hvelv.privacy.service.optouts import Objection


class SqlKeys:
    """`KeyRows` on the custodian's database."""

    def add(self, session: Session, name: str, version: int, wrapped: bytes, at: datetime) -> bool:
        """Keep a wrapped key unless the name has, or had, one."""
        return insert_new(session, KeyRow, name=name, version=version, wrapped=wrapped.hex(), made_at=moment_text(at))

    def find(self, session: Session, name: str) -> tuple[int, bytes] | None:
        """Return the version and the wrapped key."""
        row = session.scalars(select(KeyRow).where(col(KeyRow.name) == name)).first()
        return (row.version, bytes.fromhex(row.wrapped)) if row and row.wrapped else None

    def known(self, session: Session, name: str) -> bool:
        """Say whether there is a row, empty or not."""
        return session.get(KeyRow, name) is not None

    def erase(self, session: Session, name: str, at: datetime) -> bool:
        """Overwrite the wrapped key."""
        where = col(KeyRow.name) == name, col(KeyRow.wrapped) != ""
        return changed(session, update(KeyRow).where(*where).values(wrapped="", destroyed_at=moment_text(at)))


class SqlOptOuts:
    """`ObjectionRows` on the custodian's database."""

    def add(self, session: Session, objections: Sequence[Objection], at: datetime) -> int:
        """Keep those that are new, move those that hold earlier than was known, and say how many both were."""
        added_at = moment_text(at)
        rows = ({"block": o.block, "scope": o.scope, "since": o.since.isoformat()} for o in objections)
        return sum(_keep_earliest(session, {**row, "added_at": added_at}) for row in rows)

    def held(self, session: Session, scopes: Sequence[str], until: date) -> list[tuple[str, str]]:
        """Return scope and block of the objections in one of `scopes` that hold on the day `until`, in order."""
        where = col(OptOutRow.scope).in_(scopes), col(OptOutRow.since) <= until.isoformat()
        found = session.execute(select(col(OptOutRow.scope), col(OptOutRow.block)).where(*where))
        return sorted((scope, block) for scope, block in found)  # not by the database, whose order of letters varies

    def hold_still(self, session: Session) -> None:
        """Let nobody add objections before the transaction ends: on SQLite, a transaction that writes is alone."""
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"LOCK TABLE {OptOutRow.__tablename__} IN SHARE MODE"))

    def datasets(self, session: Session) -> set[str]:
        """Return the datasets that can be objected to: those with an account."""
        return set(session.scalars(select(col(AccountRow.dataset))))


def _keep_earliest(session: Session, row: dict[str, str]) -> bool:
    """Insert the objection, or move the one that is there to an earlier day. Says whether anything changed."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(OptOutRow).values(**row)
    moved = new.on_conflict_do_update(
        index_elements=[col(OptOutRow.block), col(OptOutRow.scope)],
        set_={"since": new.excluded.since, "added_at": new.excluded.added_at},
        where=new.excluded.since < col(OptOutRow.since),
    )
    return changed(session, moved)


class SqlExtracts:
    """`ExtractRows` on the custodian's database."""

    def add(self, session: Session, extract: Extract) -> bool:
        """Keep a published extract unless there is one for the same permit version."""
        return insert_new(
            session,
            ExtractRow,
            project=extract.project,
            table_name=extract.table,
            permit_version=extract.permit_version,
            dataset=extract.dataset,
            bucket=extract.bucket,
            object_name=extract.name,
            sha256=extract.sha256,
            row_count=extract.rows,
            person_count=extract.persons,
            code_version=extract.code_version,
            published_at=moment_text(extract.at),
        )

    def all(self, session: Session, project: str) -> list[Extract]:
        """Return the project's extracts, the newest permit version first."""
        order = col(ExtractRow.permit_version).desc(), col(ExtractRow.table_name)
        query = select(ExtractRow).where(col(ExtractRow.project) == project).order_by(*order)
        return [
            Extract(
                project=row.project,
                dataset=row.dataset,
                table=row.table_name,
                permit_version=row.permit_version,
                bucket=row.bucket,
                name=row.object_name,
                sha256=row.sha256,
                rows=row.row_count,
                persons=row.person_count,
                code_version=row.code_version,
                at=moment_from(row.published_at),
            )
            for row in session.scalars(query)
        ]


class SqlJobs:
    """`JobRows` on the custodian's database."""

    def add(self, session: Session, job: Job) -> bool:
        """Keep a new job unless there is one with its id."""
        return insert_new(session, JobRow, **_job_values(job), id=job.id, made_at=moment_text(job.updated))

    def update(self, session: Session, job: Job, *, unless: JobState | None = None) -> bool:
        """Write the job as it is now, unless its row is in the state `unless`. Says whether it was written."""
        where = [col(JobRow.id) == job.id]
        if unless is not None:
            where.append(col(JobRow.state) != unless.value)
        return changed(session, update(JobRow).where(*where).values(**_job_values(job)))

    def find(
        self, session: Session, *, job: str | None = None, project: str | None = None, states: Sequence[JobState] = ()
    ) -> list[Job]:
        """Return the jobs that are asked for, newest first."""
        where: list[Any] = []
        if job is not None:
            where.append(col(JobRow.id) == job)
        if project is not None:
            where.append(col(JobRow.project) == project)
        if states:
            where.append(col(JobRow.state).in_([state.value for state in states]))
        query = select(JobRow).where(*where).order_by(col(JobRow.made_at).desc(), col(JobRow.id))
        return [_job(row) for row in session.scalars(query.execution_options(populate_existing=True))]


def _job_values(job: Job) -> dict[str, Any]:
    return {
        "kind": job.kind,
        "project": job.project,
        "state": job.state.value,
        "step": job.step,
        "steps": job.steps,
        "message": job.message,
        "attempts": job.attempts,
        "updated_at": moment_text(job.updated),
    }


def _job(row: JobRow) -> Job:
    updated = moment_from(row.updated_at)
    return Job(
        row.id, row.kind, row.project, JobState(row.state), row.step, row.steps, row.message, row.attempts, updated
    )
