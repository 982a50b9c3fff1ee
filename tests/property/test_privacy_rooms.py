"""No name that is made for one project's room lies in another's, whoever reads it and however often it is decoded."""

import posixpath
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.rooms import NO_MARK, generation_prefix, manifest_name, part_name, prefix

HASH = "0123456789abcdef" * 4
TRICKS = [
    "../p-other", "..", ".", "", "/", "//", "p-1/../p-2", "p-1//", "p-1/.", "%2e%2e/p-2", "p-1%2f..%2fp-2", "..%2fp-2",
    "p-1\\..\\p-2", "p-1\0", "\0", "p-1.", "p-1/", " p-1", "p-1 ", "p-1\n", "p-1\r\n", "p-1?versionId=1", "p-1#", "p-1;a=b",
    "p-1∕..∕p-2", "p-1／p-2", "．．/p-2", "p-1⁄x", "P-1", "p-１", "p-1*", "p-*", "*", "p-?", "${aws:username}", "é",
    "e\u0301", "p-1" + "a" * 1021, "a" * 1024, "p-1\u202e", "~", "-", "p-", "p--1", "nul.txt", "con:",
]  # fmt: skip
near = st.text(alphabet="p-10./\\%2eEfF\0 ∕／．*?\nA_é", max_size=12)
wild = st.one_of(
    near, st.text(max_size=40), st.sampled_from(TRICKS), st.from_regex(r"p-[a-z0-9]{1,10}", fullmatch=True)
)


def readings(name: str) -> set[str]:
    """Return what servers of several habits would make of a name: decoded, normalised, dots resolved, backslashes turned."""
    found = {name}
    for _ in range(2):
        for form in tuple(found):
            found |= {unquote(form), unicodedata.normalize("NFKC", form), form.replace("\\", "/"), form.split("\0")[0]}
            found |= {form.rstrip(". "), form.lower(), form.partition("?")[0], form.partition("#")[0]}
    return found | {posixpath.normpath("/" + form.lstrip("/")).lstrip("/") for form in found}


@pytest.mark.attack("S303")
@given(
    project=wild,
    table=wild,
    version=st.integers(-1, 3),
    generation=st.integers(0, 10**12),
    number=st.integers(-1, 10_000),
)
@settings(max_examples=800, deadline=None)
def test_a_part_has_one_reading_and_that_is_in_its_own_projects_room(project, table, version, generation, number):
    try:
        name = part_name(project, version, generation, table, number=number, sha256=HASH)
    except Invalid:
        return
    assert readings(name) == {name}
    assert name.split("/")[0] == project
    assert name.split("/")[3] == table
    assert name.isascii()
    assert len(name) < 256


@pytest.mark.attack("S303")
@pytest.mark.parametrize("trick", [trick for trick in TRICKS if trick not in {"p-", "p--1"}])  # tables may end so
def test_a_trick_is_no_name_of_a_project_nor_of_a_table(trick):
    with pytest.raises(Invalid):
        prefix(trick)
    with pytest.raises(Invalid):
        part_name("p-1", 1, 0, trick, number=0, sha256=HASH)


@pytest.mark.attack("S303")
@given(
    st.from_regex(r"p-[a-z0-9]{1,10}", fullmatch=True), st.from_regex(r"p-[a-z0-9]{1,10}", fullmatch=True),
    st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
)  # fmt: skip
def test_no_room_begins_as_another_does(one, other, table):
    assert prefix(one + "0") != prefix(one)
    assert not prefix(one + "0").startswith(prefix(one))
    for name in (
        part_name(other, 1, 0, table, number=0, sha256=HASH),
        manifest_name(other, 1, 0),
        generation_prefix(other, 1, 0),
    ):
        assert name.startswith(prefix(one)) == (one == other)


@pytest.mark.parametrize("sha256", ["", "ab", "A" * 16, "../" + "a" * 16, "g" * 16, "a" * 65, "a" * 16 + "\n"])
def test_what_is_no_hash_is_in_no_name(sha256):
    with pytest.raises(Invalid):
        part_name("p-1", 1, 0, "visits", number=0, sha256=sha256)


def test_parts_are_in_the_order_of_their_numbers():
    names = [part_name("p-1", 1, 0, "visits", number=number, sha256=HASH) for number in (0, 1, 9, 10, 99, 1000, 9999)]
    assert names == sorted(names)
    assert names[0] == f"p-1/v1/g0-{NO_MARK}/visits/0000-0123456789abcdef.parquet"
    with pytest.raises(Invalid):
        part_name("p-1", 1, 0, "visits", number=10_000, sha256=HASH)
