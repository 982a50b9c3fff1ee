"""The page docs/settings.md, from the descriptions in the settings themselves: `python -m hvelv.operation.reference`."""

import sys
from pathlib import Path

from pydantic_core import PydanticUndefined

from hvelv.kernel.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
HEAD = """# Settings

Every setting can be given in the environment under the name below, or in a TOML file (named by `HVELV_CONFIG`) under the
same name in small letters without `HVELV_`. The environment wins. `hvelv settings` prints those in force.

<!-- Made by `make docs` from src/hvelv/kernel/settings.py. -->

| name | default | what it does |
|---|---|---|
"""


def page() -> str:
    """Return the page's text."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "" if default is PydanticUndefined or default == "" else f"`{_shown(default)}`"
        lines.append(f"| `HVELV_{name.upper()}` | {shown} | {field.description or ''} |\n")
    return HEAD + "".join(lines)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def main(arguments: list[str]) -> int:
    """Write the page; with `--check`, only say whether it is current (1 when not)."""
    if "--check" not in arguments:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    print(f"{PAGE.name} is not current: run `make docs`")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
