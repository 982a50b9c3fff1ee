"""The whole road in a real browser: steward, researcher, three committee members, steward, and researcher again.

Everything is done by clicking and typing what is on the pages; pictures of each stretch go to build/screenshots/road.
"""

import csv
import io
import os
import re
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from hvelv.kernel.ids import HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.people_store import People
from hvelv.operation.demo_data import number_people

pytestmark = [
    pytest.mark.browser,
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.parametrize("road", ["sqlite"], indirect=True),
]
CHROMIUM = "/usr/bin/chromium"
PICTURES = Path("build/screenshots/road")
SLOW = 90_000  # milliseconds for what starts processes
SUMMARY = "Vi spør folk hvordan de har det, og vil vite om svarene henger sammen med alder. " * 3
CELL = """from hvelv.enclave.lab import project
answers = project.read("wellbeing")
release = project.query("wellbeing").by("sex").count().mean("score", low=0, high=10).release(rho=0.05)
export = project.export([release.table("Trivsel etter kjønn")], title="Fra nettleseren")
print(len(answers), answers["pid"].nunique(), export.state)"""
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
        self.page.get_by_role("link", name="Logg inn").first.click()
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", f"{name} har et langt passord")
        self.page.fill("input[name=otp]", pyotp.TOTP(secret).now())
        self.page.locator("[type=submit]").click()
        expect(self.page.get_by_role("button", name="Logg ut")).to_be_visible()

    def go(self, *links):
        for link in links:
            self.page.get_by_role("link", name=link).first.click()

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"), full_page=True)

    def click(self, button):
        self.page.get_by_role("button", name=button, exact=True).first.click()


def wellbeing(path):
    """Write a small register: 400 people, 600 rows."""
    numbers = list(number_people(list(range(20_000, 20_400))).values())
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fnr", "sex", "score"])
        for row in range(600):
            writer.writerow([numbers[row % 400], "MF"[row % 400 % 2], row % 11])


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
            ("Trivsel", "Score", "sensitive", "integer"),
        ]
    ):
        page.fill(f"[name='title_nb.{row}']", nb)
        page.fill(f"[name='title_en.{row}']", en)
        page.select_option(f"[name='role.{row}']", role)
        page.select_option(f"[name='type.{row}']", kind)
    page.fill("[name='categories.1']", "M = Mann | Male\nF = Kvinne | Female")
    page.fill("[name='low.2']", "0")
    page.fill("[name='high.2']", "9")
    siri.click("Kontroller filen")
    expect(page.get_by_text("Dette må rettes")).to_be_visible()  # the file has tens, and the bounds said nine
    siri.picture("1-publish-problems")
    page.fill("[name='high.2']", "10")
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
    rolf.click("Søk")
    rolf.go("Trivselsundersøkelsen")
    page.get_by_label("Velg Kjønn").check()
    page.get_by_label("Velg Trivsel").check()
    rolf.click("Legg de valgte i utvalget")
    rolf.go("Søknader", re.compile("Ny søknad|Begynn"))
    page.locator("main form button").first.click()
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


def work(rolf):
    page = rolf.page
    rolf.go("Prosjekter", "Trivsel og alder")
    expect(page.get_by_text("Ferdig").first).to_be_visible(timeout=SLOW)
    rolf.picture("8-project")
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
    rolf.picture("9-lab")


def fetch(rolf, project):
    page = rolf.page
    page.goto(project)
    rolf.picture("10-exported")
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
    work(rolf)
    rolf.page.get_by_role("link", name=re.compile("Trivsel og alder")).first.click()
    table = fetch(rolf, rolf.page.url)

    assert {row["sex"] for row in table} == {"M", "F"}
    assert sum(int(row["count"]) for row in table) == pytest.approx(400, abs=120)
    assert {name: someone.complaints for name, someone in everyone.items()} == {name: [] for name in everyone}
    for someone in everyone.values():
        someone.context.close()
