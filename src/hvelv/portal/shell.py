"""The page shell: templates in the reader's language, one-time messages, and refusals shown as pages."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from hvelv.kernel.errors import Refusal
from hvelv.portal.i18n import LANGUAGES, NAMES, Language, language, translations
from hvelv.portal.labels import COLOURS, label
from hvelv.portal.navigation import entries
from hvelv.portal.notes import notes
from hvelv.portal.pictures import group_name, percent, picture

TEMPLATES = Path(__file__).parent / "templates"
SCHEMES = ("auto", "light", "dark")
FLASH = "hvelv_message"
LONGEST_FLASH = 3000  # characters; a browser keeps cookies of 4,096 bytes


def environment(lang: Language) -> Environment:
    """Return the templates for one language."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.policies["ext.i18n.trimmed"] = True
    catalog = translations(lang.code)
    env.install_gettext_callables(catalog.ugettext, catalog.ungettext, newstyle=True)  # type: ignore[attr-defined]
    env.filters |= {
        "num": lang.number,
        "dec": lang.decimals,
        "pct": lang.percent,
        "day": lang.date,
        "moment": lang.moment,
        "clock": lang.clock,
        "size": lang.size,
        "pick": lang.pick,
        "problem": lang.problem,
        "said": lang.translate,
        "notes": partial(notes, lang),
        "label": partial(label, lang),
        "colour": lambda value, kind: COLOURS.get(kind, {}).get(str(value), "neutral"),
        "picture": partial(picture, lang),
        "share": partial(percent, lang),
        "group": lambda size: group_name(size[0], size[1]),
        "micro": lambda rho: (rho or 0) / 1e6,
    }
    env.globals["is_current"] = is_current
    return env


@pass_context
def is_current(context: Context, path: str) -> bool:
    """Say whether the page being shown lies below `path`."""
    here = context["path"]
    return bool(here == path or here.startswith(path.rstrip("/") + "/"))


@dataclass(frozen=True)
class Flash:
    """A message that is shown once, on the next page; carried in a signed cookie."""

    key: bytes

    def seal(self, message: str, params: Mapping[str, object]) -> str:
        """Return the cookie's value."""
        body = urlsafe_b64encode(json.dumps([message, dict(params)], default=str).encode()).decode()
        return f"{body}.{self._mac(body)}"

    def open(self, value: str) -> tuple[str, dict[str, object]] | None:
        """Return message and parameters, or None when the cookie is not ours."""
        body, _dot, mac = value.partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(body).encode()):
            return None
        message, params = json.loads(urlsafe_b64decode(body))
        return message, params

    def _mac(self, body: str) -> str:
        return hmac.new(self.key, b"message:" + body.encode(), hashlib.sha256).hexdigest()


def reader(request: Request) -> Language:
    """Return the language that the reader has chosen."""
    return language(request.cookies.get("lang"), getattr(request.app.state, "locale", "nb"))


class PageShell:
    """Shows templates; meets `hvelv.kernel.web.Shell`."""

    def __init__(self, key: bytes) -> None:
        self._environments = {code: environment(lang) for code, lang in LANGUAGES.items()}
        self._flash = Flash(key)

    def page(self, request: Request, template: str, /, *, status: int = 200, **context: Any) -> Response:
        """Return `template` as a page in the reader's language; a fragment when htmx asks for one."""
        lang = reader(request)
        scheme = request.cookies.get("scheme", "auto")
        person = getattr(request.state, "person", None)
        fragment = request.headers.get("HX-Request-Type") == "partial"
        message = self._flash.open(request.cookies.get(FLASH, ""))
        html = (
            self._environments[lang.code]
            .get_template(template)
            .render(
                layout="fragment.html" if fragment else "base.html",
                lang=lang.code,
                languages=NAMES,
                scheme=scheme if scheme in SCHEMES else "auto",
                person=person,
                path=request.url.path,
                here=str(request.url.path)
                + (f"?{request.url.query}" if request.method == "GET" and request.url.query else ""),
                menu=entries(person),
                message=lang.translate(*message) if message else "",
                **context,
            )
        )
        response = HTMLResponse(html, status_code=status)
        if message and not fragment:
            response.delete_cookie(FLASH, path="/")
        return response

    def back(self, request: Request, path: str, message: str = "", **params: object) -> Response:
        """Return a redirect (303) to `path` that shows `message` once."""
        response = RedirectResponse(path, status_code=303)
        if message:
            value = self._flash.seal(message, params)
            secure = request.url.scheme == "https"
            if len(value) <= LONGEST_FLASH:
                response.set_cookie(
                    FLASH, value, max_age=120, httponly=True, samesite="strict", secure=secure, path="/"
                )
        return response

    def refused(self, request: Request, refusal: Refusal) -> Response:
        """Return a refusal as a page: what happened and what to do."""
        lang = reader(request)
        happened, remedy = lang.refusal(refusal)
        problems = getattr(refusal, "problems", ())
        return self.page(
            request,
            "refusal.html",
            status=refusal.status,
            code=refusal.status,
            happened=happened,
            remedy=remedy,
            problems=problems,
        )
