"""When a session that nobody uses is closed, and what counts as use."""

from datetime import timedelta

import pytest

from hvelv.enclave.domain.idle import IdleLimits, Standing, Use, is_use_message, is_use_request, judge
from tests.builders import NOON

LIMITS = IdleLimits(timedelta(minutes=240), timedelta(minutes=15))
MINUTE = timedelta(minutes=1)

STANDINGS = [
    (0, Standing.KEEP),
    (224, Standing.KEEP),
    (225, Standing.WARN),
    (239, Standing.WARN),
    (240, Standing.CLOSE),
    (10_000, Standing.CLOSE),
]


@pytest.mark.parametrize(("minutes", "stands"), STANDINGS)
def test_a_session_is_warned_and_then_closed(minutes, stands):
    verdict = judge(NOON + minutes * MINUTE, Use(NOON), LIMITS)
    assert verdict.standing is stands
    assert verdict.closes_at == NOON + 240 * MINUTE


@pytest.mark.parametrize("minutes", [0, 225, 240, 10_000])
def test_while_a_cell_runs_and_where_nothing_is_known_a_session_is_kept(minutes):
    now = NOON + minutes * MINUTE
    assert judge(now, Use(NOON, busy=True), LIMITS).standing is Standing.KEEP
    assert judge(now, None, LIMITS).standing is Standing.KEEP


def test_where_the_limit_is_nought_nothing_is_ever_closed():
    never = IdleLimits(timedelta(), 15 * MINUTE)
    assert judge(NOON + timedelta(days=400), Use(NOON), never).standing is Standing.KEEP


def test_a_short_limit_is_warned_of_for_half_of_it():
    short = IdleLimits(10 * MINUTE, 15 * MINUTE)
    found = [judge(NOON + minutes * MINUTE, Use(NOON), short).standing for minutes in (4, 5, 10)]
    assert found == [Standing.KEEP, Standing.WARN, Standing.CLOSE]


def test_a_limit_below_nought_is_none():
    with pytest.raises(ValueError, match="never for less"):
        IdleLimits(-MINUTE, MINUTE)


REQUESTS = [
    # what JupyterLab asks all day by itself, in an open tab that nobody looks at
    ("api/contents", "GET", "content=1&hash=0&1764600000000", False),
    ("api/contents", "GET", "content=0&1764600000000", False),
    ("api/kernels", "GET", "1764600000000", False),
    ("api/sessions", "GET", "1764600000000", False),
    ("api/kernelspecs", "GET", "", False),
    ("api/me", "GET", "", False),
    ("other", "POST", "", False),  # the side bar for git asks for its status by POST
    ("lab", "GET", "", False),
    ("static", "GET", "", False),
    # what a person does
    ("api/contents", "GET", "type=notebook&content=1&hash=1&1764600000000", True),
    ("api/contents", "GET", "content=1&type=file&format=text", True),
    ("api/contents", "PUT", "", True),
    ("api/contents", "POST", "", True),
    ("api/contents", "PATCH", "", True),
    ("api/contents", "DELETE", "", True),
    ("api/sessions", "POST", "", True),
    ("api/kernels", "POST", "", True),
]


@pytest.mark.parametrize(("kind", "method", "query", "counts"), REQUESTS)
def test_what_a_person_asks_counts_and_what_a_page_asks_by_itself_does_not(kind, method, query, counts):
    assert is_use_request(kind, method, query) is counts


MESSAGES = [
    ("execute_request", True), ("complete_request", True), ("inspect_request", True), ("input_reply", True), ("comm_msg", True),
    ("kernel_info_request", False), ("comm_info_request", False), ("debug_request", False), ("history_request", False),
    ("comm_open", False), ("", False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "counts"), MESSAGES)
def test_what_a_person_sends_a_kernel_counts_and_what_a_page_sends_when_it_connects_does_not(kind, counts):
    assert is_use_message({"msg_type": kind}) is counts


def test_a_message_that_cannot_be_read_counts():
    assert is_use_message(None)
