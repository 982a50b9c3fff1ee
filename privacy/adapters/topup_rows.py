"""Proposals of larger accounts in SQL."""

from datetime import date
from typing import Any

from sqlalchemy import insert, select, update
from sqlmodel import Session, col

from hvelv.privacy.adapters.ledger import changed
from hvelv.privacy.adapters.store import moment_from, moment_text
from hvelv.privacy.adapters.store_accounts import TopUpRow
from hvelv.privacy.domain.topups import Period, State, TopUp


class SqlTopUps:
    """`TopUpRows` on the custodian's database."""

    def add(self, session: Session, topup: TopUp) -> None:
        """Keep a new proposal."""
        session.connection().execute(insert(TopUpRow).values(id=topup.id, **_values(topup)))

    def find(self, session: Session, topup: str) -> TopUp | None:
        """Return a proposal."""
        return next(iter(self._where(session, col(TopUpRow.id) == topup)), None)

    def of_population(self, session: Session, population: str) -> list[TopUp]:
        """Return an account's proposals, newest first."""
        return self._where(session, col(TopUpRow.population) == population)

    def waiting(self, session: Session) -> list[TopUp]:
        """Return all that nobody has decided on, newest first."""
        return self._where(session, col(TopUpRow.state) == State.PROPOSED.value)

    def move(self, session: Session, before: TopUp, after: TopUp) -> bool:
        """Write what it is now, if it still is what it was. Says whether it was."""
        here = col(TopUpRow.id) == before.id, col(TopUpRow.state) == before.state.value
        return changed(session, update(TopUpRow).where(*here).values(**_values(after)))

    @staticmethod
    def _where(session: Session, *where: Any) -> list[TopUp]:
        newest = col(TopUpRow.proposed_at).desc(), col(TopUpRow.id)
        query = select(TopUpRow).where(*where).order_by(*newest).execution_options(populate_existing=True)
        return [_topup(row) for row in session.scalars(query)]


def _values(topup: TopUp) -> dict[str, Any]:
    return {
        "population": topup.population,
        "holder": topup.holder,
        "cap_before": topup.cap_before,
        "cap": topup.cap,
        "reason": topup.reason,
        "period_from": topup.period.start.isoformat() if topup.period else None,
        "period_until": topup.period.end.isoformat() if topup.period else None,
        "proposed_by": topup.proposed_by,
        "proposed_at": moment_text(topup.proposed_at),
        "state": topup.state.value,
        "decided_by": topup.decided_by,
        "decided_at": moment_text(topup.decided_at) if topup.decided_at else None,
    }


def _topup(row: TopUpRow) -> TopUp:
    start, end = row.period_from, row.period_until
    return TopUp(
        id=row.id,
        population=row.population,
        holder=row.holder,
        cap_before=row.cap_before,
        cap=row.cap,
        reason=row.reason,
        period=Period(date.fromisoformat(start), date.fromisoformat(end)) if start and end else None,
        proposed_by=row.proposed_by,
        proposed_at=moment_from(row.proposed_at),
        state=State(row.state),
        decided_by=row.decided_by,
        decided_at=moment_from(row.decided_at) if row.decided_at else None,
    )
