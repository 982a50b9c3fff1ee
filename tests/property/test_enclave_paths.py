"""No way of writing a closed path makes it open."""

import posixpath
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvelv.enclave.domain.policy import decide, may_ask_custodian, readings, without_tokens
from hvelv.enclave.domain.sessions import SessionName, bytes_in

KARI = SessionName("kari", "p-abc")
CLOSED = [
    "files/data.csv",
    "nbconvert/html/a",
    "terminals/1",
    "api/terminals",
    "tree/a",
    "proxy/80/",
    "lab/api/extensions",
]


def escaped(text: str, rounds: int, which: list[bool]) -> str:
    """Percent-encode some letters, again and again."""
    for _ in range(rounds):
        text = "".join(
            f"%{ord(letter):02x}" if hide and letter.isascii() else letter
            for letter, hide in zip(text, which * len(text), strict=False)
        )
    return text


@given(
    closed=st.sampled_from(CLOSED), rounds=st.integers(0, 4), which=st.lists(st.booleans(), min_size=1, max_size=12),
    before=st.sampled_from(["", "/", "./", "lab/../", "\\", ";a=b/", "api/contents/../../", "%2e/", "x/%2e%2e/"]), upper=st.booleans(),
)  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_a_closed_path_stays_closed_however_it_is_written(closed, rounds, which, before, upper):
    path = before + escaped(closed.upper() if upper else closed, rounds, which)
    assert not decide(KARI, "GET", f"/user/kari/p-abc/{path}", "", {"host": "x"}).allowed


def server_reads(path: str) -> set[str]:
    """What servers of several habits would make of the path: decoded once or twice, dots resolved or not."""
    once, twice = unquote(path), unquote(unquote(path))
    return {
        posixpath.normpath("/" + form.lstrip("/"))
        for form in (path, once, twice, once.replace("\\", "/"), twice.replace("\\", "/"))
    }


@given(st.text(alphabet="afiles/.%25eE2fF5cC\\;=~ x\0\n", max_size=40))
@settings(max_examples=600, deadline=None)
def test_what_is_let_through_is_below_the_session_and_not_closed_to_any_server(tail):
    path = "/user/kari/p-abc/" + tail
    if not decide(KARI, "GET", path, "", {"host": "x"}).allowed:
        return
    for read in server_reads(path):
        assert (read + "/").startswith("/user/kari/p-abc/")
        assert not (read.lower() + "/").startswith("/user/kari/p-abc/files/")


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_what_reaches_the_custodian_has_one_reading(tail):
    path = "/lab/" + quote(tail, safe="/%.;\\")
    if may_ask_custodian(path):
        assert server_reads(path) == {path}


@given(st.text(max_size=200))
def test_every_path_is_judged_without_an_error(path):
    assert decide(KARI, "GET", path, path, {}) is not None
    assert readings(path) is None or len(readings(path)) >= 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["token", "TOKEN", "a", "%74oken"]), st.text(alphabet="abc=%", max_size=5)),
        max_size=6,
    )
)
def test_no_token_survives(pairs):
    query = "&".join(f"{key}={value}" for key, value in pairs)
    assert all(unquote(part.partition("=")[0]).lower() != "token" for part in without_tokens(query).split("&"))


@given(st.text(max_size=70), st.text(max_size=70))
def test_a_session_name_is_safe_in_paths_or_is_no_name(person, project):
    try:
        name = SessionName(person, project)
    except ValueError:
        return
    assert posixpath.normpath(name.prefix) + "/" == name.prefix
    assert len(name.sid) == 16


@pytest.mark.parametrize(
    ("text", "size"), [("2G", 2 << 30), ("512M", 512 << 20), ("1.5g", 3 << 29), ("7", 7), ("4KiB", 4096)]
)
def test_sizes_are_read(text, size):
    assert bytes_in(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "2X", "1 000"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="size"):
        bytes_in(text)
