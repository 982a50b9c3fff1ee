"""How many rows of the attack list (`HVELV_ATTACKS`, a CSV with a column `id`) are tested, known residuals, or open."""

import ast
import csv
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).parents[1]
LIST = Path(os.environ.get("HVELV_ATTACKS", REPO.parent / "shared" / "attacks.csv"))
RESIDUALS = REPO / "docs" / "security" / "residuals.md"


def listed() -> list[str]:
    """Return the ids of the list."""
    with LIST.open(encoding="utf-8-sig", newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def tested() -> set[str]:
    """Return the ids in `@pytest.mark.attack("…")` anywhere in the tests."""
    return {name for path in (REPO / "tests").rglob("*.py") for name in _marks(ast.parse(path.read_text()))}


def _marks(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "attack":
            yield from (str(word.value) for word in node.args if isinstance(word, ast.Constant))


def residual() -> set[str]:
    """Return the ids that begin a row of the residuals' table."""
    return (
        set(re.findall(r"^\| ([A-Z]+[0-9]+) \|", RESIDUALS.read_text(), re.MULTILINE)) if RESIDUALS.exists() else set()
    )


def main() -> int:
    """Print the counts. Returns 1 when a test names an attack that the list does not have."""
    if not LIST.exists():
        print(f"attacks: there is no list at {LIST.name}; name it in HVELV_ATTACKS", file=sys.stderr)
        return 1
    ids, tests, residuals = listed(), tested(), residual()
    unknown = sorted((tests | residuals) - set(ids))
    done, known = [i for i in ids if i in tests], [i for i in ids if i in residuals and i not in tests]
    rest = [i for i in ids if i not in tests and i not in residuals]
    print(f"attacks: {len(done)} tested, {len(known)} residual, {len(rest)} open")
    if rest:
        print("open: " + " ".join(rest))
    if unknown:
        print("not in the list: " + " ".join(unknown))
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main())
