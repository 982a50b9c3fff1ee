"""Languages: bokmål in the source, English from a catalogue read as it stands, numbers and dates by locale."""

import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from hvelv.kernel.errors import Problem, Refusal

LOCALE_DIR = Path(__file__).parent / "locale"
DOMAIN = "hvelv"
SOURCE = "nb"
LOCALES: Mapping[str, str] = {"nb": "nb_NO", "en": "en_GB"}
NAMES: Mapping[str, str] = {"nb": "Bokmål", "en": "English"}
ZONE = ZoneInfo("Europe/Oslo")
NO_BREAK = "\u00a0"
CLOCK: Mapping[str, str] = {"nb": "HH.mm", "en": "HH:mm"}
MOMENT: Mapping[str, str] = {"nb": "d. MMMM y 'kl.' HH.mm", "en": "d MMMM y 'at' HH:mm"}


def po_file(lang: str) -> Path:
    """Return the catalogue of `lang`."""
    return LOCALE_DIR / lang / "LC_MESSAGES" / f"{DOMAIN}.po"


@functools.cache
def translations(lang: str) -> NullTranslations:
    """Return the catalogue of `lang`, read from its .po file; the source language needs none."""
    if lang == SOURCE or not po_file(lang).exists():
        return NullTranslations()
    with po_file(lang).open("rb") as file:
        catalog = read_po(file, locale=LOCALES[lang], domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled, domain=DOMAIN)


@dataclass(frozen=True)
class Language:
    """One language that pages are shown in."""

    code: str

    @property
    def locale(self) -> str:
        """Return the locale whose habits numbers and dates follow."""
        return LOCALES[self.code]

    def translate(self, msgid: str, params: Mapping[str, object] | None = None) -> str:
        """Return `msgid` in this language with `params` set in; `str.format` form."""
        if not msgid:
            return ""
        sentence = translations(self.code).ugettext(msgid)
        return sentence.format(**{k: self._shown(v) for k, v in params.items()}) if params else sentence

    def _shown(self, value: object) -> object:
        if isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self.number(value)
        if isinstance(value, str):  # the name of a state, or a list of what can be done: msgids themselves
            return ", ".join(translations(self.code).ugettext(part) if part else "" for part in value.split(", "))
        return self.pick(value) if isinstance(value, Mapping) else value

    def refusal(self, refusal: Refusal) -> tuple[str, str]:
        """Return what happened and what to do about it."""
        return self.translate(refusal.message, refusal.params), self.translate(refusal.remedy, refusal.params)

    def problem(self, problem: Problem) -> str:
        """Return what is wrong in one place."""
        return self.translate(problem.message, problem.params)

    def pick(self, value: Any) -> str:
        """Return this language's text of a thing that has one for each, `{"nb": …, "en": …}` or with such attributes."""
        if value is None:
            return ""
        if isinstance(value, Mapping):
            return str(value.get(self.code) or value.get(SOURCE) or next(iter(value.values()), ""))
        if hasattr(value, SOURCE):
            return str(getattr(value, self.code, "") or getattr(value, SOURCE))
        return str(value)

    def number(self, value: float | None) -> str:
        """Return a number with this language's marks; as many decimals as it has, at most three."""
        return "–" if value is None else numbers.format_decimal(value, locale=self.locale)

    def decimals(self, value: float | None, places: int = 2) -> str:
        """Return a number with exactly `places` decimals."""
        pattern = "#,##0." + "0" * places if places else "#,##0"
        return "–" if value is None else numbers.format_decimal(value, format=pattern, locale=self.locale)

    def percent(self, share: float | None) -> str:
        """Return a share as a percentage whose sign does not wrap."""
        if share is None:
            return "–"
        pattern = "0%" if self.code == "en" else f"0{NO_BREAK}%"
        return numbers.format_percent(share, locale=self.locale, format=pattern)

    def date(self, value: date | datetime | str | None) -> str:
        """Return a day, written out; a text that is no date is shown as it is."""
        if isinstance(value, str) and value:
            try:
                value = date.fromisoformat(value[:10])
            except ValueError:
                return str(value)
        day = None if isinstance(value, str) else value
        return dates.format_date(day, "long", locale=self.locale) if day else "–"

    def moment(self, value: datetime | str | None) -> str:
        """Return a moment in Norwegian time, written out."""
        if not value:
            return "–"
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return dates.format_datetime(at, MOMENT[self.code], tzinfo=ZONE, locale=self.locale)

    def clock(self, value: datetime) -> str:
        """Return the time of day in Norway."""
        return dates.format_time(value, CLOCK[self.code], tzinfo=ZONE, locale=self.locale)

    def size(self, count: int | None) -> str:
        """Return a number of bytes in the unit that suits it."""
        amount = float(count or 0)
        for unit in ("B", "kB", "MB"):
            if amount < 1000:  # noqa: PLR2004 - a thousand of one unit is one of the next
                return f"{self.decimals(amount, 0)}{NO_BREAK}{unit}"
            amount /= 1000
        return f"{self.decimals(amount, 1)}{NO_BREAK}GB"


LANGUAGES: Mapping[str, Language] = {code: Language(code) for code in LOCALES}


def language(code: str | None, default: str = SOURCE) -> Language:
    """Return the language named `code`, or the default one."""
    return LANGUAGES.get(code or "", LANGUAGES[default])
