"""The demo's two applications: who applies for what, and the way from a selection in the catalogue to a permit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hvelv.operation import demo_data
from hvelv.operation.trouble import Trouble
from hvelv.operation.visitor import Visitor

COMMITTEE = ("ada", "bo", "cecilie")


@dataclass(frozen=True)
class Plan:
    """One project of the demo, as it is applied for. `rho`: what is asked for of each table's account."""

    title: str
    lead: str
    members: str
    search: str
    summary: str
    rho: Mapping[str, str]
    stewards: tuple[str, ...]


FATTY_LIVER = Plan(
    "Fettlever og sykdom senere i livet",
    "kari",
    "ola",
    "lever",
    "Fettlever er vanlig og gir sjelden plager, men noen får alvorlig leversykdom eller hjertesykdom. Vi vil finne ut "
    "hvem som har størst risiko, ut fra alder, kroppsmål, prøvesvar og diagnoser, slik at de kan følges bedre opp. "
    "Ingen forskere ser hvem du er.",
    {"population": "0.6", "laboratory": "0.2", "diagnoses": "0.3"},
    ("berit", "lars", "dina"),
)
TRANSPLANTS = Plan(
    "Ventetid på ny lever",
    "ola",
    "",
    "transplantasjon",
    "Den som trenger en ny lever, må vente til det finnes en som passer. Vi vil finne ut om ventetiden er like lang for "
    "kvinner og menn, for unge og gamle og for alle blodtyper, slik at køen kan bli mer rettferdig. Ingen forskere ser "
    "hvem du er.",
    {"transplants": "0.2"},
    ("dina",),
)


def applied(
    plan: Plan, datasets: Mapping[str, str], visitor: Callable[[str], Visitor], say: Callable[[str], None]
) -> str:
    """Apply, vote and decide; the last decision has the permit signed. Returns the project that it opens.

    `datasets`: the catalogue's name of each table. Raises `Trouble` where a page is other than expected.
    """
    lead = visitor(plan.lead)
    known = set(lead.found(lead.get("/projects"), r"/projects/(p-[\w]+)"))
    say(f"Find: {plan.lead} searches the catalogue and picks variables from {_registers(len(plan.rho))}")
    lead.get(f"/catalogue?q={plan.search}")
    wishes: dict[str, Any] = {"dataset": [datasets[table] for table in plan.rho]}
    for table, rho in plan.rho.items():
        dataset = datasets[table]
        names = [v["name"] for v in demo_data.DECLARED[table] if v["role"] != "person_id"]
        if table not in lead.get(f"/datasets/{dataset}").text:
            raise Trouble(f"The catalogue's page of {table} does not name the table.", "See the portal's log.")
        lead.post("/selection", action="add", dataset=dataset, variable=names)
        wishes |= {f"columns.{dataset}": names, f"rho.{dataset}": rho}
    say(f"Apply: {plan.lead} fills one application and sends it")
    application = lead.find(lead.post("/applications"), r"/applications/(app-[\w]+)")
    today = datetime.now(UTC).date()
    lead.post(
        f"/applications/{application}",
        action="save",
        title=plan.title,
        purpose="scientific_research",
        legal_basis="GDPR artikkel 6 nr. 1 e og artikkel 9 nr. 2 j",
        summary=plan.summary,
        members=plan.members,
        period_from=today.isoformat(),
        period_to=(today + timedelta(days=730)).isoformat(),
        **wishes,
    )
    lead.post(f"/applications/{application}/submit")
    _reviewed(application, plan.stewards, visitor, say)
    opened = set(lead.found(lead.get("/projects"), r"/projects/(p-[\w]+)")) - known
    if len(opened) != 1:
        raise Trouble(f"{plan.lead} got {len(opened)} new projects, not one.", "See the portal's log.")
    return opened.pop()


def _registers(count: int) -> str:
    return f"{count} registers" if count > 1 else "one register"


def _reviewed(
    application: str, stewards: tuple[str, ...], visitor: Callable[[str], Visitor], say: Callable[[str], None]
) -> None:
    revision = ""
    for name in COMMITTEE:
        say(f"Review: {name} reads the revision and votes")
        member = visitor(name)
        revision = member.find(member.get(f"/cases/{application}"), r'name="revision" value="([0-9a-f]{64})"')
        reason = "Nyttig, og godt beskyttet."
        member.post(f"/cases/{application}/vote", revision=revision, choice="for", reason=reason)
    for name in stewards:
        say(f"Review: {name} decides for the data holder")
        steward = visitor(name)
        steward.get(f"/cases/{application}")
        steward.post(f"/cases/{application}/decide", revision=revision, choice="for", reason="I orden.", conditions="")
