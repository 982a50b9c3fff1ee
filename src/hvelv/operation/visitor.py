"""A person at the portal, without a browser: signs in at the hub, follows links, sends forms. The demo's hands."""

import re
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
import pyotp

from hvelv.kernel.settings import Settings
from hvelv.operation.trouble import Trouble

SECONDS = 120.0
CODE_PERIOD = 30


class Unexpected(Trouble):
    """A page answered other than a visitor expects; says which page and how."""


class _Inputs(HTMLParser):
    """Collects a page's hidden form fields and its headings and alerts, for messages."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.words: list[str] = []
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note hidden inputs, and where a heading or alert begins."""
        values = dict(attrs)
        if tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.hidden[str(values["name"])] = values.get("value") or ""
        if tag in {"h1", "title"} or "alert" in (values.get("class") or "") or values.get("role") == "alert":
            self._inside = 1

    def handle_endtag(self, tag: str) -> None:
        """Note where it ends."""
        if tag in {"h1", "title", "div", "section"}:
            self._inside = 0

    def handle_data(self, data: str) -> None:
        """Keep the words inside."""
        if self._inside and data.strip():
            self.words.append(data.strip())


def hidden_fields(page: str) -> dict[str, str]:
    """Return the hidden form fields of a page by name; the last of a name counts."""
    inputs = _Inputs()
    inputs.feed(page)
    return inputs.hidden


def _words(page: str) -> str:
    inputs = _Inputs()
    inputs.feed(page)
    return " · ".join(inputs.words)[:600]


@dataclass
class Visitor:
    """One signed-in person."""

    settings: Settings
    person: str
    password: str
    totp: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Open a client with cookies of its own, and sign in."""
        self.client = httpx.Client(
            base_url=self.settings.portal_url,
            follow_redirects=True,
            timeout=SECONDS,
            trust_env=False,
            headers={"Origin": self.settings.portal_url, "Accept-Language": "nb"},
        )
        self._sign_in()

    def _sign_in(self) -> None:
        for attempt in range(2):
            page = self.client.get("/sign-in")
            fields = hidden_fields(page.text) | {
                "username": self.person,
                "password": self.password,
                "otp": pyotp.TOTP(self.totp).now(),
            }
            answer = self.client.post(str(page.url), data=fields, headers={"Origin": self.settings.hub_url})
            if str(answer.url).startswith(self.settings.portal_url) and answer.is_success:
                return
            if attempt == 0:  # a code works once: wait for the next
                time.sleep(CODE_PERIOD - time.time() % CODE_PERIOD + 1)
        raise Unexpected(f"{self.person} could not sign in: {answer.status_code} {_words(answer.text)}")

    def get(self, path: str) -> httpx.Response:
        """Open a page. Raises `Unexpected` unless it is there."""
        return self._expected(self.client.get(path))

    def post(self, path: str, files: Any = None, **fields: Any) -> httpx.Response:
        """Send a form and return the page that follows. Raises `Unexpected` unless it succeeded."""
        return self._expected(self.client.post(path, data=fields, files=files))

    def _expected(self, answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            raise Unexpected(
                f"{self.person} at {answer.request.method} {answer.request.url.path}: {answer.status_code} {_words(answer.text)}"
            )
        return answer

    def find(self, page: httpx.Response, pattern: str) -> str:
        """Return the first group of `pattern` in the page or its address. Raises `Unexpected`."""
        found = re.search(pattern, str(page.url)) or re.search(pattern, page.text)
        if not found:
            raise Unexpected(f"{self.person} at {page.url.path}: nothing like {pattern} — {_words(page.text)}")
        return found.group(1)

    def found(self, page: httpx.Response, pattern: str) -> list[str]:
        """Return the first group of `pattern` wherever it is in the page, once each."""
        return list(dict.fromkeys(re.findall(pattern, page.text)))
