"""What still lacks a translation: the msgids of templates and Python sources against the catalogue of a language."""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from hvelv.portal.i18n import DOMAIN, LOCALES, SOURCE, po_file

HOUSE = Path(__file__).parents[1]
PACKAGES = ("kernel", "privacy", "catalog", "requests", "enclave", "workflows", "portal", "operation")
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "gettext": None, "ngettext": (1, 2)}
TEMPLATE_OPTIONS = {"silent": "false", "trimmed": "true"}


def msgids() -> Iterator[tuple[str, str]]:
    """Yield every msgid with the place where it stands."""
    for package in PACKAGES:
        folder = (HOUSE / package).resolve()
        for path in sorted((*folder.rglob("*.py"), *folder.rglob("*.html"))):
            if {"static", "lab", "migrations"} & set(path.relative_to(folder).parts):
                continue
            template = path.suffix == ".html"
            method = "jinja2.ext:babel_extract" if template else "python"
            options = TEMPLATE_OPTIONS if template else {"encoding": "utf-8"}
            found = extract(method, io.BytesIO(path.read_bytes()), KEYWORDS, (), options)
            for line, message, _comments, _context in found:
                for msgid in (message,) if isinstance(message, str) else message[:1]:
                    if msgid:
                        yield msgid, f"{package}/{path.relative_to(folder)}:{line}"


def _catalog(lang: str) -> Catalog:
    path = po_file(lang)
    if not path.exists():
        return Catalog(locale=LOCALES[lang], domain=DOMAIN)
    with path.open("rb") as file:
        return read_po(file, locale=LOCALES[lang], domain=DOMAIN)


def missing(lang: str) -> list[str]:
    """Return `place: msgid` for each msgid that has no text in `lang`; empty when the catalogue is complete."""
    if lang == SOURCE:
        return []
    catalog = _catalog(lang)
    found = dict(reversed(list(msgids())))
    return sorted(f"{place}: {msgid}" for msgid, place in found.items() if not _translated(catalog, msgid))


def _translated(catalog: Catalog, msgid: str) -> bool:
    message = catalog.get(msgid)
    return bool(message and message.string and not message.fuzzy)


def renew(lang: str) -> int:
    """Write the catalogue of `lang` anew with every msgid in use, keeping what is translated; return how many are not."""
    old, new = _catalog(lang), Catalog(locale=LOCALES[lang], domain=DOMAIN, fuzzy=False, charset="utf-8")
    new.creation_date, new.revision_date = old.creation_date, old.revision_date  # the same texts give the same file
    for msgid, _place in msgids():
        known = old.get(msgid)
        new.add(msgid, known.string if known else "", flags=set())
    path = po_file(lang)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, new, omit_header=False, sort_output=True, no_location=True, width=120)
    return len(missing(lang))


def main() -> int:
    """Renew the catalogues and say what lacks a translation; for `python -m hvelv.portal.translations`."""
    left = 0
    for lang in LOCALES:
        if lang != SOURCE and (count := renew(lang)):
            left += count
            print(f"{lang}: {count} without a translation", *missing(lang), sep="\n")  # noqa: T201 - a command's answer
    return int(left > 0)


if __name__ == "__main__":
    raise SystemExit(main())
