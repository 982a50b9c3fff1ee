"""No door of the custodian makes a pseudonym of a number somebody sends, or leads one back, but the one for two approvals."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
CIPHERS = {"PersonCipher", "found_in"}
READS_KEYS = {"opened", "opened_in", "project"}
MAKES_BLOCKS = {  # whose business blocks of people's numbers are
    "privacy/adapters/pseudonyms.py",
    "privacy/adapters/extraction.py",
    "privacy/adapters/spreading.py",
    "privacy/adapters/objecting.py",
    "privacy/adapters/membership.py",
    "privacy/adapters/finding.py",
}


def names_in(path):
    tree = ast.parse(path.read_text())
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def sources():
    for top in (
        "privacy",
        "catalog",
        "requests",
        "enclave",
        "workflows",
        "src/hvelv/portal",
        "src/hvelv/operation",
        "src/hvelv/kernel",
    ):
        yield from ((str(path.relative_to(HOUSE)), path) for path in (HOUSE / top).rglob("*.py"))


@pytest.mark.attack("PS11")
def test_only_extraction_the_register_and_the_finder_turn_numbers_into_blocks():
    users = {name for name, path in sources() if CIPHERS & names_in(path)}

    assert users <= MAKES_BLOCKS
    assert not {name for name in users if "/pages/" in name}


@pytest.mark.attack("PS11")
def test_no_page_or_door_reaches_a_key():
    """A door that had `keys` in hand could be made to answer for any number."""
    doors = [
        (name, path)
        for name, path in sources()
        if "/pages/" in name or name.startswith(("src/hvelv/portal", "enclave/lab"))
    ]

    assert doors
    assert not [
        name
        for name, path in doors
        if "hvelv.privacy.service.keys" in path.read_text() or ".keys.opened" in path.read_text()
    ]
    assert not [name for name, path in doors if ".keys.project(" in path.read_text()]
