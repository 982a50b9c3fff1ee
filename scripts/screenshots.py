"""Walk the pages of the running demo in Chromium: pictures in light, dark and narrow, in all languages.

    make demo && make screenshots

Writes build/screenshots/<language>/<variant>/<role>-<page>.png and prints how many pages were seen, how many axe
violations, console errors and sideways scrolls there were; exit code 1 when there were any.
"""

import json
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
from playwright.sync_api import Browser, Page, sync_playwright

from hvelv.kernel.settings import Settings
from hvelv.operation.demo import Notes

OUT = Path("build/screenshots")
AXE = Path("build/axe/lib/node_modules/axe-core/axe.min.js")
NARROW = 320
VARIANTS = {"light": ("light", 1280), "dark": ("dark", 1280), "narrow": ("light", NARROW)}
LANGUAGES = ("nb", "en")
PERIOD = 30
BLANK = re.compile(r"[^a-z0-9]+")


@dataclass
class Seen:
    """What was found on the way."""

    pages: int = 0
    violations: list[str] = field(default_factory=list)
    scrolls: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def sign_in(page: Page, settings: Settings, name: str, secret: dict[str, str]) -> None:
    """Sign a person in at the hub; wait for the next one-time code where the present one is used."""
    for _attempt in range(2):
        page.goto(f"{settings.portal_url}/sign-in")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", secret["password"])
        page.fill("input[name=otp]", pyotp.TOTP(secret["totp"]).now())
        page.click("[type=submit]")
        page.wait_for_load_state()
        if page.url.startswith(settings.portal_url):
            return
        time.sleep(PERIOD - time.time() % PERIOD + 1)
    raise SystemExit(f"{name} could not sign in")


def pages(notes: Notes) -> dict[str, list[str]]:
    """Return the pages to see, by who sees them; the empty name is nobody."""
    dataset = notes.datasets["population"]
    return {
        "": ["/", "/catalogue?q=lever", f"/datasets/{dataset}", "/projects-register", "/no-such-page"],
        "kari": [
            "/",
            "/catalogue?q=blodtrykk",
            "/selection",
            "/applications",
            "/applications/new",
            "/projects",
            f"/projects/{notes.project}",
        ],
        "berit": ["/", "/publish", "/publish/new", "/cases"],
        "dina": ["/", "/extracts", f"/extracts/{notes.waiting}/transplants"],
        "ola": [f"/projects/{notes.waiting}"],
        "ada": ["/", "/cases"],
        "rita": ["/", "/audit", "/projects"],
    }


def linked(page: Page, pattern: str) -> list[str]:
    """Return the first link on the page that fits."""
    found = re.search(pattern, page.content())
    return [found.group(0)] if found else []


def look(page: Page, address: str, where: str, seen: Seen, picture: Path) -> None:
    """Open one page, measure it, and take its picture."""
    path = urlsplit(address).path
    page.goto(address)
    page.wait_for_load_state("networkidle")
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(picture), full_page=True)
    seen.pages += 1
    width = page.evaluate("document.documentElement.scrollWidth")
    if page.viewport_size and width > page.viewport_size["width"]:
        seen.scrolls.append(f"{where} {path}: {width} px")
    if AXE.exists():
        page.evaluate(AXE.read_text())
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
        found = page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
        seen.violations += [f"{where} {path}: {v['id']} ({v['nodes'][0]['html'][:100]})" for v in found["violations"]]


def walk(browser: Browser, settings: Settings, notes: Notes, seen: Seen) -> None:
    """See every page as everyone, in every variant and language."""
    for name, paths in pages(notes).items():
        seen_here = list(paths)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" and "404" not in m.text else None)
        if name:
            sign_in(page, settings, name, notes.people[name])
        more = {
            "kari": ("/applications", r"/applications/app-\w+"),
            "berit": ("/cases", r"/cases/app-\w+"),
            "ada": ("/cases", r"/cases/app-\w+"),
        }
        if name in more:
            page.goto(settings.portal_url + more[name][0])
            seen_here += linked(page, more[name][1])
        for language in LANGUAGES:
            for variant, (scheme, width) in VARIANTS.items():
                context.add_cookies(
                    [
                        {"name": "lang", "value": language, "url": settings.portal_url},
                        {"name": "scheme", "value": scheme, "url": settings.portal_url},
                    ]
                )
                page.set_viewport_size({"width": width, "height": 900})
                for path in seen_here:
                    stem = BLANK.sub("-", f"{name or 'nobody'}{path.split('?')[0]}".lower()).strip("-") or "start"
                    look(
                        page,
                        settings.portal_url + path,
                        f"{language}/{variant}/{name}",
                        seen,
                        OUT / language / variant / f"{stem}.png",
                    )
        context.close()


def main() -> int:
    """Walk, and say what was seen."""
    settings = Settings()
    notes = Notes.load(settings)
    if not notes.project:
        raise SystemExit("There is no demo to look at. Run `make demo` first.")
    seen = Seen()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        walk(browser, settings, notes, seen)
        browser.close()
    (OUT / "seen.json").write_text(json.dumps(seen.__dict__, indent=2, ensure_ascii=False))
    axe = f"{len(seen.violations)} axe violations" if AXE.exists() else "axe not installed"
    for line in sorted({*seen.violations, *seen.scrolls, *seen.errors})[:40]:
        print(f"  {line}")
    print(
        f"screenshots: {seen.pages} pages, {axe}, {len(seen.scrolls)} sideways scrolls, {len(seen.errors)} console errors"
    )
    return 1 if seen.violations or seen.scrolls or seen.errors else 0


if __name__ == "__main__":
    sys.exit(main())
