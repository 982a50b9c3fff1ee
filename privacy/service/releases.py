"""Quotes and releases: the one way from private data to a number that may leave.

A quote is worked out from the query and the public schema alone, so it is free. A release goes one way only: may they,
does it fit, charge, read, aggregate, noise, sign, store, answer. After the charge every fault gets one and the same
refusal, whatever the data; the charge stands, and the same key finishes the same release later at no further cost,
because no noise of it was ever shown.
"""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hvelv.kernel.canonical import canonical
from hvelv.kernel.clock import Clock
from hvelv.kernel.errors import Invalid, NotFound, Problem, Unavailable, _
from hvelv.kernel.signing import Signer
from hvelv.privacy.domain.accounting import Dose, doses
from hvelv.privacy.domain.answers import keys_of, quote_of, rows_of, summary_of
from hvelv.privacy.domain.permission import Permission, PermittedTable
from hvelv.privacy.domain.plan import Plan, plan
from hvelv.privacy.domain.query import query_from, rho_from
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.service.accounts import Accounts, Charge, Purchase
from hvelv.privacy.service.extracts import Extract, ExtractRegistry

KEY_FORM = re.compile(r"[A-Za-z0-9_-]{8,80}")
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
    """Exact totals in which no person counts for more than the plan's bounds."""

    def totals(self, paths: Sequence[Path], plan: Plan) -> list[list[int]]:
        """Return a total for each part and cell, in whole units. `paths`: an extract's files, in order."""
        ...


class Noise(Protocol):
    """Randomness, and what it costs."""

    def draw(self, dose: Dose, totals: Sequence[int]) -> list[int]:
        """Return `totals` with noise. Raises unless the privacy map is within the dose's price."""
        ...

    def epsilon(self, rho_micro: int, delta: float) -> float:
        """Return the epsilon, at `delta`, of a loss in micro-rho."""
        ...

    def versions(self) -> dict[str, str]:
        """Return the versions of what decides the noise."""
        ...


@dataclass(frozen=True)
class Engine:
    """What a release is made with."""

    aggregator: Aggregator
    noise: Noise
    signer: Signer
    delta: float
    code_version: str


@dataclass(frozen=True)
class _Asked:
    """A question that fits: who asks, of what, at which price."""

    permission: Permission
    table: PermittedTable
    extract: Extract | None
    plan: Plan
    rho_micro: int
    doses: tuple[Dose, ...]


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
        self, project: str, person: str, document: object, rho_micro: object, idempotency_key: object
    ) -> dict[str, Any]:
        """Return the certified answer, charged once for each key.

        Raises `Denied`, `Invalid`, `NotFound`, `Overdrawn` and `KeyTaken` before anything is charged, and
        `Unavailable` after.
        """
        asked = self._asked(project, person, document, rho_micro)
        extract = asked.extract or self._extracts.current(asked.permission, asked.table.table)
        charge = self._accounts.charge(_purchase(asked, key_from(idempotency_key)))
        if charge.release is not None:
            return document_of(charge)
        return document_of(charge, self._accounts.finish(charge, self._answered(asked, extract, charge)))

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
        query, price = query_from(document), rho_from(rho_micro)
        table = permission.table(query.dataset)
        whole = self._versions.version(table.dataset, table.version).schema
        extract = self._extracts.found(permission, table.table)
        meant = plan(query, whole.extracted(table.columns, table.extra if extract is None else extract.steps))
        if price < len(meant.parts):
            message = _("Spørringen måler {parts} ting og koster minst {parts} mikro-rho.")
            raise Invalid((Problem(message, "rho_micro", params={"parts": len(meant.parts)}),))
        return _Asked(permission, table, extract, meant, price, doses(meant, price))

    def _quote(self, asked: _Asked, *, paid: int = 0) -> dict[str, Any]:
        held = self._accounts.allocation(asked.permission.project, asked.table.dataset)
        spent = held.spent - paid
        allowance = {
            "allocated": held.allocated,
            "spent": spent,
            "left_after": held.allocated - spent - asked.rho_micro,
        }
        return quote_of(
            asked.plan,
            asked.doses,
            asked.rho_micro,
            epsilon=self._engine.noise.epsilon(asked.rho_micro, self._engine.delta),
            delta=self._engine.delta,
            allowance=allowance,
        )

    def _answered(self, asked: _Asked, extract: Extract, charge: Charge) -> str:
        """Return the signed answer. Whatever goes wrong here is told in the same words."""
        try:
            totals = self._engine.aggregator.totals(self._extracts.paths(extract), asked.plan)
            noisy = [self._engine.noise.draw(dose, part) for dose, part in zip(asked.doses, totals, strict=True)]
            body = self._body(asked, extract, charge, noisy)
            signed = self._engine.signer.sign("release", body)
        except Exception as error:  # noqa: BLE001 - one answer for all, so that it tells nothing of the data
            log.error("release %s stopped after its charge: %s", charge.id, type(error).__name__)  # noqa: TRY400
            raise Unavailable(
                _("Beregningen stoppet. Belastningen står, og samme nøkkel fullfører uten ny kostnad."),
                remedy=_("Prøv igjen med samme nøkkel."),
                code="after-charge",
            ) from None
        return canonical(body | {"signature": signed.as_dict()}).decode()

    def _body(self, asked: _Asked, extract: Extract, charge: Charge, noisy: Sequence[Sequence[int]]) -> dict[str, Any]:
        quote = self._quote(asked, paid=asked.rho_micro)
        return {
            "id": charge.id,
            "project": asked.permission.project,
            "person": charge.purchase.person,
            "dataset": asked.table.table,
            "dataset_id": asked.table.dataset,
            "query": asked.plan.query.as_dict(),
            "query_hash": asked.plan.query.hash,
            "rho_micro": asked.rho_micro,
            "epsilon": quote["epsilon"],
            "delta": quote["delta"],
            "charged_at": charge.at.isoformat(),
            "at": self._clock.now().isoformat(),
            "keys": keys_of(asked.plan),
            "rows": rows_of(asked.plan, asked.doses, noisy),
            "quote": quote,
            "extract_hash": extract.sha256,
            "versions": {"hvelv": self._engine.code_version, **self._engine.noise.versions()},
        }


def key_from(value: object) -> str:
    """Return an idempotency key: 8 to 80 letters, digits, «_» and «-». Raises `Invalid`."""
    if not isinstance(value, str) or not KEY_FORM.fullmatch(value):
        message = _("Nøkkelen må ha 8 til 80 bokstaver, sifre, «_» eller «-».")
        raise Invalid((Problem(message, "idempotency_key"),))
    return value


def _purchase(asked: _Asked, key: str) -> Purchase:
    query = asked.plan.query
    return Purchase(
        project=asked.permission.project,
        dataset=asked.table.dataset,
        person=asked.permission.person,
        idempotency_key=key,
        query_hash=query.hash,
        summary=summary_of(asked.plan),
        rho_micro=asked.rho_micro,
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
        "dataset": purchase.dataset,
        "summary": purchase.summary,
        "rho_micro": purchase.rho_micro,
    }
