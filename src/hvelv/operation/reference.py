"""The pages in docs/ that are made from the code: `python -m hvelv.operation.reference [--check]`."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic_core import PydanticUndefined

from hvelv.kernel.settings import Settings
from hvelv.privacy.domain import reference as transforms
from hvelv.requests.domain import reference as lifecycles

DOCS = Path(__file__).parents[3] / "docs"
HEAD = """# Settings

Every setting can be given in the environment under the name below, or in a TOML file (named by `HVELV_CONFIG`) under the
same name in small letters without `HVELV_`. The environment wins. `hvelv settings` prints those in force.

Generated from `src/hvelv/kernel/settings.py` by `make docs`; do not edit.

| name | default | what it does |
|---|---|---|
"""


def settings_page() -> str:
    """Return the page of settings."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "" if default is PydanticUndefined or default in {"", None, ()} else f"`{_shown(default)}`"
        lines.append(f"| `HVELV_{name.upper()}` | {shown} | {field.description or ''} |\n")
    return HEAD + "".join(lines)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "reference/lifecycle.md": lifecycles.render,
    "reference/transforms.md": transforms.render,
}
"""Path below docs/ → what makes it."""


def main(arguments: list[str]) -> int:
    """Write the pages; with `--check`, only say which are not current (1 when one is not)."""
    stale = [name for name, make in PAGES.items() if not _current(DOCS / name, make())]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is not current: run `make docs`")
        return int(bool(stale))
    for name in stale:
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(PAGES[name]())
        print(f"docs/{name} written")
    return 0


def _current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
