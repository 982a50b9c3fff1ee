"""The custodian is killed (SIGKILL) while it charges several datasets, or makes an account larger: all of it or nothing."""

import os
import signal

import pytest

from hvelv.privacy.adapters.ledger import SqlLedger
from hvelv.privacy.adapters.topup_rows import SqlTopUps
from tests.builders_accounts import BIRTHS, BLOOD, CAP, DONORS, SIGRID, STINE, URINE, a_purchase, opened_books


@pytest.fixture
def kept(database_url):
    made = opened_books(database_url)
    made.give("p-one", {BLOOD: 100_000, URINE: 50_000, BIRTHS: 20_000})
    yield made
    made.database.close()


def killed_at(kept, owner, method, calls, work):
    """Do `work` in another process that dies at the `calls`th call of a method; return the signal it died of."""
    kept.database.engine.dispose()
    child = os.fork()
    if child == 0:
        signal.alarm(100)
        inner, left = getattr(owner, method), [calls]

        def dying(*args, **more):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(*args, **more)

        try:
            setattr(owner, method, dying)
            work()
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.attack("DP02")
@pytest.mark.parametrize(
    ("method", "calls"), [("spend", 1), ("spend", 2), ("spend", 3), ("spend_of", 1), ("spend_of", 2), ("add_charge", 1)]
)
def test_a_killed_charge_is_on_all_datasets_or_on_none(kept, method, calls):
    purchase = a_purchase((BLOOD, URINE, BIRTHS), 5_000)

    assert killed_at(kept, SqlLedger, method, calls, lambda: kept.accounts.charge(purchase)) == signal.SIGKILL

    assert [held.spent for held in kept.accounts.allocations("p-one")] == [0, 0, 0]
    assert kept.accounts.account(BLOOD).spent == kept.accounts.account(BIRTHS).spent == 0
    assert kept.accounts.charges("p-one") == []
    assert kept.accounts.charge(purchase) == kept.accounts.charge(purchase)
    assert [held.spent for held in kept.accounts.allocations("p-one")] == [5_000] * 3


@pytest.mark.attack("DP23")
@pytest.mark.parametrize(("owner", "method"), [(SqlLedger, "enlarge"), (SqlLedger, "allot"), (SqlTopUps, "move")])
def test_a_killed_confirmation_leaves_the_account_as_it_was_and_the_proposal_waiting(kept, owner, method):
    topup = kept.topups.propose(STINE, DONORS, cap=2 * CAP, reason="Nytt år.")["id"]
    before = kept.accounts.account(BLOOD)

    assert killed_at(kept, owner, method, 1, lambda: kept.topups.confirm(SIGRID, topup)) == signal.SIGKILL

    assert kept.accounts.account(BLOOD) == before
    assert [one["id"] for one in kept.topups.waiting(STINE)] == [topup]
    kept.topups.confirm(SIGRID, topup)
    assert kept.accounts.account(BLOOD).cap == 2 * CAP
