"""The whole road in a real browser: steward, researcher, three committee members, steward, and researcher again.

The steward has asked to see each extract: before the researcher gets anything, the risk is looked at, a step is tried and
used, the extract is made anew by the worker, and let go. Everything is done by clicking and typing what is on the pages;
pictures of each stretch go to build/screenshots/road.
"""

import csv
import io
import json
import os
import re
import shutil
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import text

from hvelv.kernel.ids import HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.people_store import People
from hvelv.operation.demo_data import number_people
from tests.browser import followed

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(1200),
    pytest.mark.parametrize("road", ["sqlite"], indirect=True),
]
CHROMIUM = "/usr/bin/chromium"
PICTURES = Path("build/screenshots/road")
SLOW = 90_000  # milliseconds for what starts processes
SLOWER = 240_000  # and for what a worker does that starts one
YEARS = range(20, 80)
SUMMARY = "Vi spør folk hvordan de har det, og vil vite om svarene henger sammen med alder. " * 3
CELL = """from hvelv.enclave.lab import project
answers = project.read("wellbeing")
release = project.query("wellbeing").by("sex").count().mean("score", low=0, high=10).release(rho=0.05)
export = project.export([release.table("Trivsel etter kjønn")], title="Fra nettleseren")
print(len(answers), answers["pid"].nunique(), export.state)
print(answers["age"].nunique(), "age groups")"""
PEOPLE = {
    "siri": Person(PersonId("siri"), "Siri Steward", frozenset({Role.STEWARD}), HolderId("befolkning")),
    "rolf": Person(PersonId("rolf"), "Rolf Forsker", frozenset({Role.RESEARCHER})),
    "eva": Person(PersonId("eva"), "Eva Etikk", frozenset({Role.ETHICS})),
    "even": Person(PersonId("even"), "Even Etikk", frozenset({Role.ETHICS})),
    "erik": Person(PersonId("erik"), "Erik Etikk", frozenset({Role.ETHICS})),
}


@pytest.fixture
def browser():
    if not Path(CHROMIUM).exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "Chromium is missing: apt-get install chromium"
        )
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Someone:
    """A person at a browser of their own."""

    def __init__(self, browser, road, name, secret):
        self.road, self.name = road, name
        self.context = browser.new_context(
            locale="nb-NO", accept_downloads=True, viewport={"width": 1280, "height": 950}
        )
        self.page: Page = self.context.new_page()
        self.complaints = []
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if "Content Security Policy" in m.text else None
        )
        self.page.goto(road.settings.portal_url)
        self.go("Logg inn")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", f"{name} har et langt passord")
        self.page.fill("input[name=otp]", pyotp.TOTP(secret).now())
        self.page.locator("[type=submit]").click()
        expect(self.page.get_by_role("button", name="Logg ut")).to_be_visible()

    def go(self, *links):
        for link in links:
            followed(self.page, self.page.get_by_role("link", name=link).first)

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"), full_page=True)

    def click(self, button):
        followed(self.page, self.page.get_by_role("button", name=button, exact=True).first)


def wellbeing(path):
    """Write a small register: 400 people of 60 ages, 600 rows. Six or seven are of one age, three or four of one sex too."""
    numbers = list(number_people(list(range(20_000, 20_400))).values())
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fnr", "sex", "age", "score"])
        for row in range(600):
            person = row % 400
            writer.writerow([numbers[person], "MF"[person % 2], YEARS[person // 2 % len(YEARS)], row % 11])


def publish(siri, tmp_path):
    wellbeing(tmp_path / "wellbeing.csv")
    page = siri.page
    siri.go("Publisering")
    siri.go("Legg ut data")
    page.set_input_files("input[type=file]", str(tmp_path / "wellbeing.csv"))
    siri.click("Last opp")
    page.get_by_label("Tittel på bokmål", exact=True).fill("Trivselsundersøkelsen")
    page.get_by_label("Tittel på engelsk", exact=True).fill("Wellbeing survey")
    page.get_by_label("Beskrivelse på bokmål").fill("Hvordan folk har det.")
    page.get_by_label("Beskrivelse på engelsk").fill("How people are.")
    page.get_by_label("Tabellens navn").fill("wellbeing")
    for row, (nb, en, role, kind) in enumerate(
        [
            ("Fødselsnummer", "Person number", "person_id", "string"),
            ("Kjønn", "Sex", "quasi_identifier", "string"),
            ("Alder", "Age", "quasi_identifier", "integer"),
            ("Trivsel", "Score", "sensitive", "integer"),
        ]
    ):
        page.fill(f"[name='title_nb.{row}']", nb)
        page.fill(f"[name='title_en.{row}']", en)
        page.select_option(f"[name='role.{row}']", role)
        page.select_option(f"[name='type.{row}']", kind)
    page.fill("[name='categories.1']", "M = Mann | Male\nF = Kvinne | Female")
    page.fill("[name='low.2']", str(YEARS[0]))
    page.fill("[name='high.2']", str(YEARS[-1]))
    page.fill("[name='low.3']", "0")
    page.fill("[name='high.3']", "9")
    page.get_by_label("Vi ser på uttrekket før det leveres").check()
    siri.click("Kontroller filen")
    expect(page.get_by_text("Dette må rettes")).to_be_visible()  # the file has tens, and the bounds said nine
    siri.picture("1-publish-problems")
    page.fill("[name='high.3']", "10")
    siri.click("Kontroller filen")
    expect(page.get_by_text("600 rader, 400 personer")).to_be_visible()
    expect(page.get_by_text("•••").first).to_be_visible()
    siri.picture("2-publish-preview")
    siri.click("Publiser versjonen")
    expect(page.get_by_role("heading", name="Trivselsundersøkelsen")).to_be_visible()
    siri.picture("3-published")


def apply(rolf):
    page = rolf.page
    rolf.go("Katalog")
    page.get_by_role("searchbox").fill("trivsel")
    page.get_by_role("button", name="Søk", exact=True).click()  # hits come into the same page
    page.wait_for_url("**q=trivsel**")
    rolf.go("Trivselsundersøkelsen")
    page.get_by_label("Velg Kjønn").check()
    page.get_by_label("Velg Alder").check()
    page.get_by_label("Velg Trivsel").check()
    rolf.click("Legg de valgte i utvalget")
    rolf.go("Søknader", re.compile("Ny søknad|Begynn"))
    followed(page, page.locator("main form button").first)
    page.get_by_label("Tittel", exact=True).fill("Trivsel og alder")
    page.get_by_label("Vitenskapelig forskning").check()
    rolf.click("Lagre kladden")  # half filled in: it is kept, and says what is missing
    expect(page.get_by_text("Dette mangler:")).to_be_visible()
    expect(page.get_by_label("Tittel", exact=True)).to_have_value("Trivsel og alder")
    rolf.picture("4-draft")
    page.get_by_label("Rettslig grunnlag").fill("GDPR artikkel 6 nr. 1 e og 9 nr. 2 j")
    page.get_by_label("Sammendrag for allmennheten").fill(SUMMARY)
    today = datetime.now(UTC).date()
    page.get_by_label("Fra dato").fill(today.isoformat())
    page.get_by_label("Til dato").fill((today + timedelta(days=300)).isoformat())
    page.get_by_label("Personvernbudsjett (rho)").fill("0,2")
    rolf.click("Kontroller svarene")
    rolf.picture("5-answers")
    rolf.click("Send søknaden")
    expect(page.get_by_text("Søknaden er sendt.")).to_be_visible()


def vote(member):
    member.go("Saker", "Trivsel og alder")
    member.page.get_by_role("radio", name="Ja").or_(member.page.locator("#choice-for")).first.check()
    member.page.get_by_label("Begrunnelse").first.fill("Godt forklart.")
    member.picture(f"6-vote-{member.name}")
    member.click("Avgi stemme")
    expect(member.page.get_by_text("Stemmen din er registrert.")).to_be_visible()


def decide(siri):
    siri.go("Saker", "Trivsel og alder")
    siri.page.locator("#decision-for").check()
    siri.page.get_by_label("Begrunnelse").first.fill("I orden.")
    siri.click("Registrer avgjørelsen")
    siri.picture("7-decided")


def extracts_of(road, project):
    with road.custodian.reading() as session:
        found = session.connection().execute(
            text("SELECT steps FROM privacy_extracted WHERE project = :project"), {"project": project}
        )
        return [json.loads(row.steps) for row in found]


def stewards_actions(road, project):
    """Return what the audit trail says that the steward did with the project's extract, oldest first."""
    with road.custodian.reading() as session:
        rows = [r for r in road.custodian.trail.rows(session) if (r.actor, r.subject) == ("siri", project)]
    return [row.action for row in rows if row.action.startswith("extract.")]


def in_small_groups(page, column):
    cell = page.locator("tr", has_text="Personer i små grupper").first.locator("td").nth(column)
    return float(re.search(r"[\d,]+", cell.inner_text())[0].replace(",", "."))


def find_what_waits(siri):
    """Come back to the start page until it says that an extract waits, and follow it there."""
    until = time.monotonic() + SLOWER / 1000
    while not siri.page.get_by_text("Uttrekk som venter på deg: 1.").is_visible() and time.monotonic() < until:
        time.sleep(1)
        siri.go("Hvelv")
    siri.picture("9-start")
    siri.go("Se uttrekkene")
    siri.picture("10-waiting")
    siri.go("Trivselsundersøkelsen")


def let_go(siri, rolf, road):
    """See the risk, try a step, use it, see the extract made anew, and let it go; the researcher waits meanwhile."""
    page = siri.page
    find_what_waits(siri)
    siri.picture("11-risk")
    at_first = in_small_groups(page, 1)
    followed(page, page.locator("form[action$='/try'] button", has_text="Prøv").first)
    expect(page.locator("#tried")).to_be_visible()
    siri.picture("12-tried")
    tried = in_small_groups(page, 2)
    assert tried < at_first / 2
    siri.click("Bruk trinnene")
    expect(page.locator("#changing")).to_be_visible()
    siri.picture("13-changing")

    rolf.go("Prosjekter", "Trivsel og alder")
    project = rolf.page.url.rsplit("/", 1)[1]
    assert extracts_of(road, project) == []

    expect(page.get_by_text("Uttrekket er laget med dine trinn")).to_be_visible(timeout=SLOWER)  # the page asks itself
    assert (in_small_groups(page, 1), in_small_groups(page, 2)) == (at_first, tried)
    expect(page.get_by_text("Uttrekket er innenfor alle grensene.")).to_be_visible()
    siri.picture("14-narrowed")
    expect(rolf.page.get_by_text("Venter på at datainnehaveren skal se på uttrekket.")).to_be_visible(timeout=SLOW)
    rolf.picture("15-project-waits")
    assert extracts_of(road, project) == []

    siri.click("Slipp uttrekket")
    expect(page.locator("main .ds-tag", has_text="Sluppet").first).to_be_visible()
    siri.picture("16-let-go")
    assert stewards_actions(road, project) == ["extract.previewed", "extract.narrowed", "extract.approved"]
    return project


def work(rolf, road, project):
    page = rolf.page
    expect(page.get_by_text("Ferdig").first).to_be_visible(timeout=SLOWER)
    (steps,) = extracts_of(road, project)
    assert set(steps) == {"age"}
    rolf.picture("17-project")
    page.get_by_role("button", name=re.compile("Åpne|JupyterLab")).first.click()
    page.wait_for_url("**/lab", timeout=SLOW)
    lab = page.frame_locator("iframe")
    lab.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=SLOW)
    expect(lab.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first).to_be_visible(timeout=SLOW)
    expect(lab.get_by_text(re.compile(r"ipykernel\) \| Idle")).first).to_be_visible(
        timeout=SLOW
    )  # attached, not only there
    lab.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.insert_text(CELL)
    page.keyboard.press("Shift+Enter")
    expect(lab.locator(".jp-OutputArea-output").first).to_have_text(re.compile(r"600 400 released"), timeout=SLOW)
    groups = int(re.search(r"(\d+) age groups", lab.locator(".jp-OutputArea-output").first.inner_text())[1])
    assert 1 < groups < len(YEARS) / 2
    rolf.picture("18-lab")


def fetch(rolf, project):
    page = rolf.page
    page.goto(project)
    rolf.picture("19-exported")
    with page.expect_download() as caught:
        page.get_by_role("link", name="Last ned").first.click()
    with zipfile.ZipFile(caught.value.path()) as archive:
        name = next(n for n in archive.namelist() if n.startswith("tables/"))
        return list(csv.DictReader(io.TextIOWrapper(io.BytesIO(archive.read(name)), "utf-8")))


def test_the_whole_road_can_be_walked_in_a_browser(road, browser, tmp_path):
    shutil.rmtree(PICTURES, ignore_errors=True)
    people = People(road.registry)
    secrets = {name: people.add("test", person, f"{name} har et langt passord") for name, person in PEOPLE.items()}
    everyone = {name: Someone(browser, road, name, secret) for name, secret in secrets.items()}
    siri, rolf = everyone["siri"], everyone["rolf"]

    publish(siri, tmp_path)
    apply(rolf)
    for name in ("eva", "even", "erik"):
        vote(everyone[name])
    decide(siri)
    work(rolf, road, let_go(siri, rolf, road))
    rolf.go(re.compile("Trivsel og alder"))
    table = fetch(rolf, rolf.page.url)

    assert {row["sex"] for row in table} == {"M", "F"}
    assert sum(int(row["count"]) for row in table) == pytest.approx(400, abs=120)
    assert {name: someone.complaints for name, someone in everyone.items()} == {name: [] for name in everyone}
    for someone in everyone.values():
        someone.context.close()
