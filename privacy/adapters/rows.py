"""Extracts and jobs in SQL."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from hvelv.kernel.canonical import canonical
from hvelv.privacy.adapters.ledger import changed, insert_new
from hvelv.privacy.adapters.store import ExtractPartRow, ExtractRow, JobRow, moment_from, moment_text
from hvelv.privacy.domain.transforms import transforms_from
from hvelv.privacy.service.extraction import steps_document
from hvelv.privacy.service.extracts import Extract, Part
from hvelv.privacy.service.jobs import Job, JobState


class SqlExtracts:
    """`ExtractRows` on the custodian's database."""

    def add(self, session: Session, extract: Extract) -> bool:
        """Keep a published extract and its parts unless there is one of the same generation."""
        key = {"project": extract.project, "table_name": extract.table, "generation": extract.generation}
        kept = insert_new(
            session,
            ExtractRow,
            **key,
            permit_version=extract.permit_version,
            dataset=extract.dataset,
            bucket=extract.bucket,
            sha256=extract.sha256,
            steps=canonical(steps_document(extract.steps)).decode(),
            objections=extract.objections,
            fingerprint=extract.fingerprint,
            job=extract.job,
            code_version=extract.code_version,
            published_at=moment_text(extract.at),
        )
        if kept:
            for number, part in enumerate(extract.parts):
                insert_new(
                    session,
                    ExtractPartRow,
                    **key,
                    number=number,
                    object_name=part.name,
                    sha256=part.sha256,
                    row_count=part.rows,
                    person_count=part.persons,
                )
        return kept

    def all(self, session: Session, project: str) -> list[Extract]:
        """Return the project's extracts, the newest generation first, then by table."""
        parts: dict[tuple[str, int], list[Part]] = {}
        of_project = col(ExtractPartRow.project) == project
        for row in session.scalars(select(ExtractPartRow).where(of_project).order_by(col(ExtractPartRow.number))):
            part = Part(row.object_name, row.sha256, row.row_count, row.person_count)
            parts.setdefault((row.table_name, row.generation), []).append(part)
        order = col(ExtractRow.generation).desc(), col(ExtractRow.table_name)
        query = select(ExtractRow).where(col(ExtractRow.project) == project).order_by(*order)
        found = session.scalars(query.execution_options(populate_existing=True))
        return [_extract(row, tuple(parts.get((row.table_name, row.generation), ()))) for row in found]

    def withdraw(self, session: Session, project: str, before: int, at: datetime) -> int:
        """Mark those of earlier generations as withdrawn."""
        where = (
            col(ExtractRow.project) == project,
            col(ExtractRow.generation) < before,
            col(ExtractRow.withdrawn_at).is_(None),
        )
        rows = session.scalars(select(ExtractRow).where(*where)).all()
        for row in rows:
            row.withdrawn_at = moment_text(at)
            session.add(row)
        session.flush()
        return len(rows)


def _extract(row: ExtractRow, parts: tuple[Part, ...]) -> Extract:
    return Extract(
        project=row.project,
        dataset=row.dataset,
        table=row.table_name,
        permit_version=row.permit_version,
        generation=row.generation,
        bucket=row.bucket,
        parts=parts,
        sha256=row.sha256,
        steps={name: transforms_from(steps) for name, steps in json.loads(row.steps).items()},
        objections=row.objections,
        fingerprint=row.fingerprint,
        job=row.job,
        code_version=row.code_version,
        at=moment_from(row.published_at),
        withdrawn_at=moment_from(row.withdrawn_at) if row.withdrawn_at else None,
    )


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
