"""Quotes and releases: the one way from private data to a number that may leave.

A quote is worked out from the query and the public schema alone, so it is free. A release goes one way only: may they,
does it fit, charge, read, aggregate, noise, sign, store, answer. After the charge every fault gets one and the same
refusal, whatever the data; the charge stands, and the same key finishes the same release later at no further cost,
because no noise of it was ever shown.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.clock import Clock
from hvelv.kernel.errors import Invalid, NotFound, Problem, Refusal, Unavailable, _
from hvelv.kernel.signing import Signer
from hvelv.privacy.domain.accounting import delta_of, pure_of
from hvelv.privacy.domain.answers import answer_of, proof_of, quote_of
from hvelv.privacy.domain.charging import Charge, Line, Purchase
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.measuring import Ask, Dose, Method, OpenCells, Result
from hvelv.privacy.domain.permission import Permission, PermittedTable
from hvelv.privacy.domain.query import rho_from
from hvelv.privacy.domain.questions import method_for, query_from
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked
from hvelv.privacy.service.accounts import Accounts
from hvelv.privacy.service.extracts import Extract, ExtractRegistry


class NotCovered(Refusal):
    """The privacy map says that the noise would cost more than was charged. Nothing was drawn."""

    status = 409


KEY_FORM = re.compile(r"[A-Za-z0-9_-]{8,80}")
Told = Callable[[int, int], None]  # how many vectors are drawn, of how many
log = logging.getLogger(__name__)


class PermitCheck(Protocol):
    """Who may do what just now. The requests package answers, from signed permits."""

    def permission(self, project: str, person: str) -> Permission:
        """Return what the active permit gives the person. Raises `Denied`."""
        ...


@dataclass(frozen=True)
class SourceVersion:
    """A published dataset version: its whole schema, and where its table lies."""

    schema: Schema
    bucket: str
    name: str


class VersionSource(Protocol):
    """The custodian's index of published dataset versions."""

    def version(self, dataset: str, content_hash: str) -> SourceVersion:
        """Return the version. Raises `NotFound`."""
        ...


class Aggregator(Protocol):
    """Exact totals in which no person counts for more than the bounds of what is asked."""

    def totals(self, sources: Mapping[str, Sequence[Path]], framed: Framed, ask: Ask) -> list[Any]:
        """Return vectors in whole units, or mappings of them where keys are unknown. `sources`: each table's files, in order."""
        ...


class Noise(Protocol):
    """Randomness, and what it costs."""

    def draw(self, dose: Dose, totals: Sequence[int]) -> list[int]:
        """Return `totals` with noise. Raises unless the privacy map is within the dose's price."""
        ...

    def draw_keys(self, dose: Dose, counts: Mapping[str, int]) -> dict[str, int]:
        """Return the counts with noise that pass the dose's threshold. Raises unless within its price and its delta."""
        ...

    def epsilon(self, rho_micro: int, delta: float) -> float:
        """Return the epsilon, at `delta`, of a loss in micro-rho."""
        ...

    def versions(self) -> dict[str, str]:
        """Return the versions of what decides the noise."""
        ...


@dataclass(frozen=True)
class Pace:
    """When an answer is given: at the ends of slots that double, so that how long it took says next to nothing.

    `slot`: the shortest, in seconds; 0 answers at once.
    """

    slot: float = 0.0
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def begun(self) -> float:
        """Return the moment at which work begins."""
        return self.now()

    def wait(self, begun: float) -> None:
        """Wait for the end of the slot."""
        if not self.slot:
            return
        taken, until = self.now() - begun, self.slot
        while until < taken:
            until *= 2
        self.sleep(until - taken)


@dataclass(frozen=True)
class Engine:
    """What a release is made with."""

    aggregator: Aggregator
    noise: Noise
    signer: Signer
    delta: float
    code_version: str
    pace: "Pace"
    able: Callable[[Asked], None] = lambda _question: None  # raises `Unavailable` for what this machine cannot answer


@dataclass(frozen=True)
class _Asked:
    """A question that fits: who asks, of which tables, at which price. `extracts`: None until they are published."""

    permission: Permission
    tables: tuple[PermittedTable, ...]  # the first one is the one that rows come from
    extracts: tuple[Extract, ...] | None
    method: Method
    rho_micro: int
    doses: tuple[Dose, ...]

    @property
    def question(self) -> Asked:
        """Return the question."""
        return self.method.framed.asked


class Loss:
    """What was drawn, added up: never more than was paid for."""

    def __init__(self, expected: Sequence[Dose], rho_micro: int) -> None:
        self._expected, self._left = list(expected), rho_micro
        self.drawn = 0  # vectors

    def take(self, doses: Sequence[Dose]) -> None:
        """Note what is about to be drawn. Raises `NotCovered` for what was not foretold, or not paid for."""
        foretold, self._expected = self._expected[: len(doses)], self._expected[len(doses) :]
        self._left -= sum(dose.rho_micro for dose in doses)
        self.drawn += len(doses)
        if foretold != list(doses) or self._left < 0:
            raise NotCovered(_("Støyen dekker ikke prisen. Ingenting er regnet ut."))


class Releases:
    """Prices questions and answers them."""

    def __init__(
        self,
        accounts: Accounts,
        permits: PermitCheck,
        versions: VersionSource,
        extracts: ExtractRegistry,
        *,
        engine: Engine,
        clock: Clock,
    ) -> None:
        self._accounts, self._permits, self._versions = accounts, permits, versions
        self._extracts, self._engine, self._clock = extracts, engine, clock

    def quote(self, project: str, person: str, document: object, rho_micro: object) -> dict[str, Any]:
        """Return the price and the expected error. Touches no private data. Raises `Denied`, `Invalid`, `NotFound`."""
        return self._quote(self._asked(project, person, document, rho_micro))

    def release(
        self,
        project: str,
        person: str,
        document: object,
        rho_micro: object,
        idempotency_key: object,
        *,
        again: bool = False,
        told: Told = lambda _step, _of: None,
    ) -> dict[str, Any]:
        """Return the certified answer, charged once for each key.

        The same question, answered before at no lower a price and on the same extracts, is answered from the store and
        costs nothing, unless new noise is asked for (`again`).
        Raises `Denied`, `Invalid`, `NotFound`, `Overdrawn` and `KeyTaken` before anything is charged, and
        `Unavailable` after.
        """
        asked = self._asked(project, person, document, rho_micro)
        extracts = asked.extracts or self._extracts_of(asked.permission, asked.tables)
        purchase = _purchase(asked, extracts, key_from(idempotency_key))
        if not again and self._accounts.made(purchase) is None:
            stored = self._accounts.answered(project, purchase.query_hash, purchase.extract_hash, purchase.rho_micro)
            if stored is not None:
                return document_of(stored)
        charge = self._accounts.charge(purchase)
        if charge.release is not None:
            return document_of(charge)
        begun = self._engine.pace.begun()
        try:
            return document_of(charge, self._accounts.finish(charge, self._answered(asked, extracts, charge, told)))
        finally:
            self._engine.pace.wait(begun)

    def all(self, project: str, person: str) -> list[dict[str, Any]]:
        """Return the project's releases, newest first, in brief."""
        self._permits.permission(project, person)
        return [brief(charge) for charge in self._accounts.charges(project) if charge.state == "released"]

    def one(self, project: str, person: str, release: str) -> dict[str, Any]:
        """Return a stored release. Raises `NotFound`, also for another project's."""
        self._permits.permission(project, person)
        return self.stored(project, release)

    def stored(self, project: str, release: str) -> dict[str, Any]:
        """Return a stored release to another of the custodian's services, such as the gate. Raises `NotFound`."""
        for charge in self._accounts.charges(project, charge_id=release):
            if charge.release is not None:
                return document_of(charge)
        raise NotFound(_("Prosjektet har ikke noe slikt resultat."), code="no-release")

    def _asked(self, project: str, person: str, document: object, rho_micro: object) -> _Asked:
        permission = self._permits.permission(project, person)
        question, price = query_from(document), rho_from(rho_micro)
        self._engine.able(question)
        tables = tuple(permission.table(name) for name in question.tables)
        found = [self._extracts.found(permission, table.table) for table in tables]
        schemas = {table.table: self._schema(table, extract) for table, extract in zip(tables, found, strict=True)}
        method = method_for(question, schemas)
        try:
            doses = method.doses(price)
        except ValueError:
            raise Invalid(
                (Problem(_("Prisen er for lav til å måle alt som trengs for svaret."), "rho_micro"),)
            ) from None
        extracts = tuple(extract for extract in found if extract)
        return _Asked(permission, tables, extracts if len(extracts) == len(found) else None, method, price, doses)

    def _schema(self, table: PermittedTable, extract: Extract | None) -> Schema:
        whole = self._versions.version(table.dataset, table.version).schema
        return whole.extracted(table.columns, table.extra if extract is None else extract.steps)

    def _extracts_of(self, permission: Permission, tables: Sequence[PermittedTable]) -> tuple[Extract, ...]:
        return tuple(self._extracts.current(permission, table.table) for table in tables)

    def _quote(self, asked: _Asked, *, paid: int = 0) -> dict[str, Any]:
        held = [self._accounts.allocation(asked.permission.project, dataset) for dataset in _datasets(asked)]
        least = min(held, key=lambda allocation: allocation.left)
        spent = least.spent - paid
        allowance = {
            "allocated": least.allocated,
            "spent": spent,
            "left_after": least.allocated - spent - asked.rho_micro,
        }
        return quote_of(
            asked.method,
            asked.doses,
            asked.rho_micro,
            epsilon=self._engine.noise.epsilon(asked.rho_micro, self._engine.delta),
            delta=self._engine.delta,
            allowance=allowance,
        )

    def _answered(self, asked: _Asked, extracts: Sequence[Extract], charge: Charge, told: Told) -> str:
        """Return the signed answer. Whatever goes wrong here is told in the same words."""
        try:
            result = self._measured(asked, extracts, told)
            body = self._body(asked, extracts, charge, result)
            signed = self._engine.signer.sign("release", body)
        except Exception as error:  # noqa: BLE001 - one answer for all, so that it tells nothing of the data
            log.error("release %s stopped after its charge: %s", charge.id, type(error).__name__)  # noqa: TRY400
            raise Unavailable(
                _("Beregningen stoppet. Belastningen står, og samme nøkkel fullfører uten ny kostnad."),
                remedy=_("Prøv igjen med samme nøkkel."),
                code="after-charge",
            ) from None
        return canonical(body | {"signature": signed.as_dict()}).decode()

    def _measured(self, asked: _Asked, extracts: Sequence[Extract], told: Told) -> Result:
        """Return the answer: every vector that the method asks for is drawn with the noise that was paid for."""
        sources = {extract.table: self._extracts.paths(extract) for extract in extracts}
        return measured(asked.method, asked.doses, asked.rho_micro, sources, self._engine, told=told)

    def _body(self, asked: _Asked, extracts: Sequence[Extract], charge: Charge, result: Result) -> dict[str, Any]:
        quote = self._quote(asked, paid=asked.rho_micro)
        first = asked.tables[0]
        return {
            "id": charge.id,
            "project": asked.permission.project,
            "person": charge.purchase.person,
            "dataset": first.table,
            "dataset_id": first.dataset,
            "kind": quote["kind"],
            "query": asked.question.as_dict(),
            "query_hash": asked.question.hash,
            "rho_micro": asked.rho_micro,
            "epsilon": quote["epsilon"],
            "delta": quote["delta"],
            "delta_femto": quote["delta_femto"],
            "pure_micro": quote["pure_micro"],
            "charged_at": charge.at.isoformat(),
            "at": self._clock.now().isoformat(),
            **answer_of(result),
            "quote": quote,
            "proof": proof_of(asked.doses),
            "extract_hash": hash_of(extracts),
            "extracts": [
                {"dataset_id": table.dataset, "dataset": table.table, "extract_hash": extract.sha256}
                for table, extract in zip(asked.tables, extracts, strict=True)
            ],
            "versions": {"hvelv": self._engine.code_version, **self._engine.noise.versions()},
        }


def measured(
    method: Method,
    doses: Sequence[Dose],
    rho_micro: int,
    sources: Mapping[str, Sequence[Path]],
    engine: "Engine",
    *,
    told: Told = lambda _step, _of: None,
) -> Result:
    """Return a method's answer on files: each step's totals, with noise that was foretold and is within the price.

    Raises `NotCovered` where a method asks for more than it said.
    """
    loss = Loss(doses, rho_micro)
    work = method.work(doses)
    try:
        step = next(work)
        while True:
            told(loss.drawn, len(doses))
            loss.take(step.doses)
            totals = engine.aggregator.totals(sources, method.framed, step.ask)
            draw: Callable[[Dose, Any], Any] = engine.noise.draw
            if isinstance(step.ask, OpenCells):
                draw = engine.noise.draw_keys
            step = work.send([draw(dose, part) for dose, part in zip(step.doses, totals, strict=True)])
    except StopIteration as done:
        result: Result = done.value
        return result


def hash_of(extracts: Sequence[Extract]) -> str:
    """Return the hash of the extracts that an answer was made of: a single one's own, or one of all their hashes."""
    hashes = [extract.sha256 for extract in extracts]
    return hashes[0] if len(hashes) == 1 else digest(hashes)


def _datasets(asked: _Asked) -> tuple[str, ...]:
    return tuple(dict.fromkeys(table.dataset for table in asked.tables))


def key_from(value: object) -> str:
    """Return an idempotency key: 8 to 80 letters, digits, «_» and «-». Raises `Invalid`."""
    if not isinstance(value, str) or not KEY_FORM.fullmatch(value):
        message = _("Nøkkelen må ha 8 til 80 bokstaver, sifre, «_» eller «-».")
        raise Invalid((Problem(message, "idempotency_key"),))
    return value


def _purchase(asked: _Asked, extracts: Sequence[Extract], key: str) -> Purchase:
    return Purchase(
        project=asked.permission.project,
        person=asked.permission.person,
        idempotency_key=key,
        query_hash=asked.question.hash,
        extract_hash=hash_of(extracts),
        summary=asked.method.summary,
        lines=tuple(
            Line(dataset, asked.rho_micro, delta_of(asked.doses), pure_of(asked.doses)) for dataset in _datasets(asked)
        ),
    )


def document_of(charge: Charge, release: str | None = None) -> dict[str, Any]:
    """Return a stored release as JSON."""
    found: dict[str, Any] = json.loads(release or charge.release or "{}")
    return found


def brief(charge: Charge) -> dict[str, Any]:
    """Return what a list shows of a release."""
    purchase = charge.purchase
    return {
        "id": charge.id,
        "at": charge.at.isoformat(),
        "person": purchase.person,
        "dataset": ", ".join(purchase.datasets),
        "summary": purchase.summary,
        "rho_micro": purchase.rho_micro,
    }
