"""The risk of an extract, and the steward's go-ahead: between "prepared" and "published".

Whoever makes an extract asks for the steward's `steps` first and `offer`s what was prepared. While it waits, the
custodian keeps what risk is measured on (who is only a running number there) in a folder of its own, so that a steward
can try steps; it is removed as soon as the steward has decided. Reports, audit and answers hold counts and shares only.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.canonical import canonical
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Problem, Unavailable, _
from hvelv.privacy.domain.following import column_shown, declared_shown, done_shown, follow, shown
from hvelv.privacy.domain.reviewing import (
    VERDICTS,
    Extra,
    Review,
    ReviewAction,
    ReviewState,
    Verdict,
    extra_documents,
    extra_from,
)
from hvelv.privacy.domain.risk import QUASI_ROLES, Policy, Report, findings, quasi, sensitive
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.steps import Transform, combined

ACTOR = "workflow:provision"
MOST_TRIED = 20  # variables that steps are tried on at once
STRAY_SECONDS = 24 * 3600
DECIDED: Mapping[ReviewAction, str] = {
    ReviewAction.APPROVE: "extract.approved",
    ReviewAction.APPLY: "extract.narrowed",
    ReviewAction.REFUSE: "extract.refused",
}

__all__ = ["Measurer", "ReviewRows", "Reviews", "Verdict"]


class ReviewRows(Protocol):
    """Where reviews are kept."""

    def find(self, session: Session, project: str, table: str, generation: int) -> Review | None:
        """Return one review."""
        ...

    def earlier(self, session: Session, project: str, table: str, generation: int) -> list[Review]:
        """Return the reviews of the table's generations before this one that went, newest first."""
        ...

    def of_holder(self, session: Session, holder: str) -> list[Review]:
        """Return the holder's reviews, newest first."""
        ...

    def waiting(self, session: Session) -> list[Review]:
        """Return all reviews that wait for a steward."""
        ...

    def add(self, session: Session, review: Review) -> bool:
        """Keep a new review unless there is one."""
        ...

    def update(self, session: Session, review: Review, *, state: ReviewState, fingerprint: str) -> bool:
        """Write the review if it still is in `state` with `fingerprint`. Says whether it was written."""
        ...


class Measurer(Protocol):
    """Measures risk. Everything is streamed: memory does not grow with rows."""

    def gather(self, parts: Sequence[Path], schema: Schema, folder: Path) -> int:
        """Write what risk is measured on to `folder` and return how many rows the parts have.

        Parts: Parquet with `pid` and the schema's columns, persons together and never cut between parts.
        """
        ...

    def measure(
        self, folder: Path, schema: Schema, policy: Policy, rows: int, extra: Extra, *, population: Path | None
    ) -> Report:
        """Measure all there is to a report, as if `extra` steps were done with what was gathered."""
        ...

    def suggestions(
        self, folder: Path, schema: Schema, policy: Policy, done: Extra, declared: Schema | None = None
    ) -> list[dict[str, Any]]:
        """Try steps and return those that help most: `extra` (JSON form), outlines `now` and `then`.

        `declared`: the source's schema; only steps that it can be extracted with after `done` are tried.
        """
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a review asks of the rest of the house.

    `resume`: put the project's job back on the list. `takes_part`: whether a person is named in the project's permit.
    """

    resume: Callable[[str], None]
    takes_part: Callable[[str, str], bool]
    folder: Path


@dataclass(frozen=True)
class Steward:
    """Who decides, and for which data holder. The portal vouches for both."""

    person: str
    holder: str


class Reviews:
    """Reports and go-aheads."""

    def __init__(
        self,
        database: Database,
        rows: ReviewRows,
        measurer: Measurer,
        *,
        policy: Policy,
        around: Surroundings,
        clock: Clock,
    ) -> None:
        self._database, self._rows, self._measurer = database, rows, measurer
        self._policy, self._around, self._clock = policy, around, clock

    # for whoever makes extracts

    def steps(
        self, project: str, table: str, generation: int, *, among: Collection[str] | None = None
    ) -> Mapping[str, tuple[Transform, ...]]:
        """Return the steps that the steward decided on for this extract; empty without any.

        A generation that was not offered yet begins with those of the newest that went with steps. What was refused is
        made as it was refused. `among`: the variables that are permitted now; steps of others are left out.
        """
        found = self._find(project, table, generation)
        extra = found.extra if found else self._inherited(project, table, generation)
        return {name: steps for name, steps in extra.items() if among is None or name in among}

    def waits(self, project: str, table: str, generation: int, fingerprint: str) -> bool:
        """Say whether the extract of that fingerprint waits for a steward: making it once more would be in vain."""
        found = self._find(project, table, generation)
        return found is not None and found.state is ReviewState.WAITING and found.fingerprint == fingerprint

    def offer(
        self,
        project: str,
        table: str,
        generation: int,
        *,
        dataset: str,
        holder: str,
        schema: Schema,
        steps: Mapping[str, Sequence[Transform]],
        parts: Sequence[Path],
        needed: bool,
        fingerprint: str,
        population: Sequence[Path] = (),
        declared: Schema | None = None,
    ) -> Verdict:
        """Measure what was prepared and say whether it may be published. Asked again with the same, it answers the same.

        `schema`: the extract's columns after `steps`, which are all that were done, by variable. `fingerprint` names
        what was prepared: a go-ahead is for that alone. `population`: parts of the whole register in the same form,
        where there are any, for the risk that does not presume that one knows who is in the extract. `declared`: the
        source's schema; without it, nothing but leaving out can come after what counts persons.
        """
        known = self._find(project, table, generation)
        if known and self._is_settled(known, fingerprint, needed=needed):
            return VERDICTS[known.state]
        refused = known is not None and known.state is ReviewState.REFUSED
        if known and refused:  # what was refused was another extract; this one is judged anew, by the steward
            known = replace(known, before=None)
        extra = known.extra if known else self._inherited(project, table, generation)
        folder = self._folder(project, table, generation)
        self._clear(folder)
        report = self._measured(parts, schema, folder, population)
        held = (
            needed or refused or (self._policy.hold and not all(one.within for one in findings(report, self._policy)))
        )
        document = self._document(report) | {"decided": extra_documents(extra)}
        if held:
            done = {name: tuple(some) for name, some in steps.items()}
            document["suggestions"] = self._measurer.suggestions(folder, schema, self._policy, done, declared)
        else:
            self._clear(folder)
        state = ReviewState.WAITING if held else ReviewState.NOTED
        review = Review(
            project, table, generation, dataset, holder, fingerprint, state, document,
            known.before if known else None, extra,
            tuple(
                shown(column, steps.get(column.name, ()), declared.find(column.name) if declared else None)
                for column in (*quasi(schema), *sensitive(schema))
            ),
            self._clock.now(),
        )  # fmt: skip
        self._keep(review, known)
        return VERDICTS[state]

    # for the steward

    def of_holder(self, holder: str) -> list[dict[str, Any]]:
        """Return the reviews of a holder's tables in brief, newest first."""
        with self._database.reading() as session:
            return [_brief(review) for review in self._rows.of_holder(session, holder)]

    def view(self, holder: str, project: str, table: str) -> dict[str, Any]:
        """Return the newest review of a table. Raises `NotFound`, also for another holder's."""
        return _whole(self._of(holder, project, table))

    def preview(self, steward: Steward, project: str, table: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Return the report as it would be with `extra` steps (JSON form, by variable). Nothing is decided.

        Raises `Invalid` for steps that do not fit, `NotPossible` when the extract does not wait.
        """
        review = self._of(steward.holder, project, table)
        self._may_decide(review, steward.person)
        review.moved(ReviewAction.APPLY)
        chosen = self._fitting(review, extra)
        report = self._remeasured(review, chosen)
        with self._database.transaction() as unit:
            detail = self._detail(review) | {"steps": len(chosen), "k_then": report.k}
            unit.record(AuditEvent(steward.person, "extract.previewed", review.project, detail))
        return {"extra": extra_documents(chosen), "report": self._document(report)}

    def apply(self, steward: Steward, project: str, table: str, fingerprint: str, extra: Mapping[str, Any]) -> None:
        """Have the extract made anew with `extra` steps; it comes back for a go-ahead. Raises as `preview`.

        While it is made anew, they come instead of those that were decided on last; none at all takes them back.
        """
        review = self._of(steward.holder, project, table)
        chosen = self._fitting(review, extra)
        if not chosen and review.state is not ReviewState.CHANGING:
            raise Invalid((Problem(_("Velg minst ett trinn."), "step"),))
        so_far = review.measured
        names = {**so_far, **{name: combined(so_far.get(name, ()), steps) for name, steps in chosen.items()}}
        before = review.before or {k: v for k, v in review.report.items() if k not in {"suggestions", "decided"}}
        self._decide(
            review,
            fingerprint,
            ReviewAction.APPLY,
            steward.person,
            replace(review, extra=names, before=before if chosen or so_far else None),
            steps=len(chosen),
        )

    def approve(self, steward: Steward, project: str, table: str, fingerprint: str) -> None:
        """Let the extract go: the one named by `fingerprint`, which is the one that was seen."""
        review = self._of(steward.holder, project, table)
        self._decide(review, fingerprint, ReviewAction.APPROVE, steward.person, review)

    def refuse(self, steward: Steward, project: str, table: str, fingerprint: str, reason: str) -> None:
        """Let the extract not go, and say why."""
        review = self._of(steward.holder, project, table)
        if not reason.strip():
            raise Invalid((Problem(_("Skriv en begrunnelse."), "reason"),))
        then = replace(review, reason=reason.strip(), extra=review.measured)  # what was seen, not what it was to become
        self._decide(review, fingerprint, ReviewAction.REFUSE, steward.person, then)

    def tidy(self, runs: Callable[[str], bool]) -> int:
        """Remove what is kept for reviews that no longer wait, or whose project is over; return how many folders.

        What was gathered lately is left alone: its review may be about to be written.
        """
        if not self._around.folder.exists():
            return 0
        with self._database.reading() as session:
            waiting = self._rows.waiting(session)
        kept = {self._folder(r.project, r.table, r.generation) for r in waiting if runs(r.project)}
        kept |= {_beside(folder) for folder in kept}
        long_ago = self._clock.now().timestamp() - STRAY_SECONDS
        found = (path for path in self._around.folder.glob("*/*") if path not in kept)
        strays = [path for path in found if path.stat().st_mtime < long_ago]
        for path in strays:
            shutil.rmtree(path, ignore_errors=True)
        return len(strays)

    def _find(self, project: str, table: str, generation: int) -> Review | None:
        with self._database.reading() as session:
            return self._rows.find(session, project, table, generation)

    def _inherited(self, project: str, table: str, generation: int) -> Extra:
        with self._database.reading() as session:
            earlier = self._rows.earlier(session, project, table, generation)
        return next((review.extra for review in earlier if review.extra), {})

    def _of(self, holder: str, project: str, table: str) -> Review:
        with self._database.reading() as session:
            found = [r for r in self._rows.of_holder(session, holder) if (r.project, r.table) == (project, table)]
        if not holder or not found:
            raise NotFound(_("Uttrekket finnes ikke, eller det er ikke ditt å vurdere."), code="no-review")
        return max(found, key=lambda review: review.generation)

    def _folder(self, project: str, table: str, generation: int) -> Path:
        name = hashlib.sha256(f"{project}\0{table}\0{generation}".encode()).hexdigest()[:32]
        return self._around.folder / project / name

    def _is_settled(self, known: Review, fingerprint: str, *, needed: bool) -> bool:
        """Say whether what is offered is what was offered before, with nothing more to be asked of the steward."""
        if known.fingerprint != fingerprint:
            return False
        if known.state is ReviewState.CHANGING:  # made before the steward decided: what is asked for is still to come
            return known.extra != known.measured
        return known.state is not ReviewState.NOTED or not needed

    def _measured(self, parts: Sequence[Path], schema: Schema, folder: Path, population: Sequence[Path]) -> Report:
        rows = self._measurer.gather(parts, schema, folder)
        if population:
            self._measurer.gather(population, schema, _beside(folder))
        return self._measurer.measure(
            folder, schema, self._policy, rows, {}, population=_beside(folder) if population else None
        )

    @staticmethod
    def _clear(folder: Path) -> None:
        for path in (folder, _beside(folder)):
            shutil.rmtree(path, ignore_errors=True)

    def _document(self, report: Report) -> dict[str, Any]:
        found = [asdict(one) for one in findings(report, self._policy)]
        document: dict[str, Any] = json.loads(
            canonical(report.as_dict() | {"findings": found, "policy": asdict(self._policy)})
        )
        return document

    def _keep(self, review: Review, known: Review | None) -> None:
        with self._database.transaction() as unit:
            if known is None:
                kept = self._rows.add(unit.session, review)
            else:
                kept = self._rows.update(unit.session, review, state=known.state, fingerprint=known.fingerprint)
            if not kept:  # the steward or another run was there meanwhile: the next attempt sees what they did
                raise Unavailable(
                    _("Vurderingen av uttrekket er endret imens. Det prøves på nytt."), code="review-moved"
                )
            detail = self._detail(review) | {"state": review.state.value, "persons": review.report["persons"]}
            unit.record(AuditEvent(ACTOR, "extract.measured", review.project, detail))

    def _may_decide(self, review: Review, actor: str) -> None:
        if self._around.takes_part(review.project, actor):
            raise Denied(
                _("Du er med i prosjektet og kan ikke vurdere uttrekket til det."),
                remedy=_("Be en annen forvalter hos datainnehaveren om å gjøre det."),
                code="own-project",
            )

    def _decide(  # noqa: PLR0917 - what the steward said, in the order in which it is checked
        self, review: Review, fingerprint: str, action: ReviewAction, actor: str, then: Review, steps: int = 0
    ) -> None:
        self._may_decide(review, actor)
        state = review.moved(action)
        if review.fingerprint != fingerprint:
            raise NotPossible(
                _("Uttrekket er laget på nytt siden du så det. Ingenting er gjort."),
                remedy=_("Se på risikoen slik den er nå."),
                code="other-extract",
            )
        decided = replace(then, state=state, decided_by=actor, at=self._clock.now())
        with self._database.transaction() as unit:
            if not self._rows.update(unit.session, decided, state=review.state, fingerprint=fingerprint):
                raise NotPossible(_("Uttrekket venter ikke lenger på et svar."), code="not-waiting")
            detail = self._detail(review) | ({"steps": steps} if steps else {})
            unit.record(AuditEvent(actor, DECIDED[action], review.project, detail))
        self._clear(self._folder(review.project, review.table, review.generation))
        self._around.resume(review.project)

    @staticmethod
    def _detail(review: Review) -> dict[str, Any]:
        return {
            "table": review.table,
            "generation": review.generation,
            "fingerprint": review.fingerprint,
            "k": review.report["k"],
        }

    def _remeasured(self, review: Review, extra: Extra) -> Report:
        folder = self._folder(review.project, review.table, review.generation)
        if not folder.exists():
            raise NotPossible(
                _(
                    "Det som trengs for å prøve trinn, er ryddet bort. Du kan slippe uttrekket, nekte det eller bruke trinn."
                ),
                code="nothing-to-measure",
            )
        schema = Schema(review.table, tuple(column_shown(one) for one in review.columns))
        whole = _beside(folder) if _beside(folder).exists() else None
        return self._measurer.measure(folder, schema, self._policy, review.report["rows"], extra, population=whole)

    @staticmethod
    def _fitting(review: Review, documents: Mapping[str, Any]) -> dict[str, tuple[Transform, ...]]:
        """Return the steps in `documents`. Raises `Invalid` for what does not fit what was gathered or cannot be made."""
        if not isinstance(documents, Mapping) or len(documents) > MOST_TRIED:
            raise Invalid((Problem(_("Det er for mange verdier her."), "step"),))
        columns = {one["name"]: one for one in review.columns if one["role"] in QUASI_ROLES}
        chosen = {name: steps for name, steps in extra_from(documents).items() if steps}
        for name, steps in chosen.items():
            if name not in columns:
                raise Invalid(
                    (Problem(_("Trinn kan bare brukes på de indirekte identifiserende variablene."), "step"),)
                )
            known = columns[name]
            follow(column_shown(known), done_shown(known), steps, declared_shown(known))
        return chosen


def _beside(folder: Path) -> Path:
    """Return where what is known of the whole register is kept."""
    return folder.with_name(f"{folder.name}-population")


def _brief(review: Review) -> dict[str, Any]:
    within = [one["within"] for one in review.report["findings"]]
    return {
        "project": review.project,
        "table": review.table,
        "generation": review.generation,
        "dataset": review.dataset,
        "state": review.state.value,
        "at": review.at.isoformat(),
        "rows": review.report["rows"],
        "persons": review.report["persons"],
        "within": sum(within),
        "limits": len(within),
    }


def _whole(review: Review) -> dict[str, Any]:
    return _brief(review) | {
        "fingerprint": review.fingerprint,
        "report": dict(review.report),
        "before": dict(review.before) if review.before else None,
        "extra": extra_documents(review.extra),
        "columns": [dict(one) for one in review.columns],
        "decided_by": review.decided_by,
        "reason": review.reason,
    }
