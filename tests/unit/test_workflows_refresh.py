"""Extracts are made again within the stated days when other people object; nothing is made again for nothing."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian
from hvelv.privacy.service.jobs import JobState
from hvelv.requests.domain.permit import PermitState
from hvelv.workflows.refresh import Refresh

DAY = timedelta(days=1)


@dataclass
class House:
    """One project with one permit and one extract, made on the day on which the clock begins."""

    clock: SetClock = field(default_factory=SetClock)
    state: PermitState = PermitState.ACTIVE
    objectors: str = "who"
    numbers: str = "numbers"
    rows: int = 0
    looks: int = 0
    job: Any = None
    queued: list[str] = field(default_factory=list)
    used: list[Any] = field(default_factory=list)
    until: date = date(2030, 1, 1)

    def __post_init__(self) -> None:
        self.used.append(SimpleNamespace(permit_version=2, objections="who-numbers", at=self.clock.now()))
        self.asked: list[Any] = []

    def all(self) -> list[Any]:
        entry = SimpleNamespace(dataset="d-labs", holder="h-one")
        permit = SimpleNamespace(
            project="p-one", version=2, purpose="statistics", datasets=(entry,), runs=lambda at: at.date() <= self.until
        )
        return [SimpleNamespace(permit=permit, state=self.state)]

    def in_use(self, _project: str) -> list[Any]:
        return self.used

    def look(self, asked: Any, purpose: str) -> Any:
        self.looks += 1
        self.asked = [(one.dataset, one.holder, purpose) for one in asked]
        return SimpleNamespace(fingerprint=f"{self.objectors}-{self.numbers}")

    def newest(self, _project: str) -> Any:
        return self.job

    def enqueue(self, _unit: Any, kind: str, project: str) -> None:
        self.queued.append(f"{kind} {project}")
        self.job = SimpleNamespace(state=JobState.QUEUED, updated=self.clock.now())

    def objects(self, who: str = "others") -> None:
        """Have other people object."""
        self.objectors, self.rows = who, self.rows + 1


@pytest.fixture
def house():
    return House()


@pytest.fixture
def refresh(house, tmp_path):
    database = custodian(f"sqlite:///{tmp_path}/c.sqlite", clock=house.clock)
    database.create_all()
    register = SimpleNamespace(look=house.look, state=lambda: str(house.rows))
    yield Refresh(database, house, house, register, house, house, house.clock, 30)
    database.close()


@pytest.mark.attack("PS12")
@pytest.mark.parametrize("objecting_day", [0, 10, 29, 30, 100])
def test_who_objects_is_out_of_extracts_within_the_stated_days(house, refresh, objecting_day):
    started, at = house.clock.at, {}
    for day in range(140):
        house.clock.at = started + day * DAY
        if day == objecting_day:
            house.objects()
        if refresh.run():
            at["made again"] = day
            break

    assert house.queued == ["provision p-one"]
    assert house.asked == [("d-labs", "h-one", "statistics")]
    assert at["made again"] == max(objecting_day, 30)


def test_with_no_days_to_wait_it_is_made_again_in_the_next_round(house, refresh):
    refresh.days = 0
    house.objects()

    assert refresh.run() == 1
    assert house.queued == ["provision p-one"]


def test_while_the_same_people_object_nothing_is_made_again_and_the_register_is_read_once(house, refresh):
    house.clock.at += 40 * DAY
    house.numbers = "others"  # somebody who does not object changed number

    assert [refresh.run() for _round in range(5)] == [0] * 5
    assert house.looks == 1
    house.objects()
    assert refresh.run() == 1


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.FAILED])
def test_a_job_under_way_or_lately_failed_is_not_doubled(house, refresh, state):
    house.clock.at += 40 * DAY
    house.objects()
    house.job = SimpleNamespace(state=state, updated=house.clock.now())

    assert refresh.run() == 0
    house.clock.at += 2 * DAY
    assert refresh.run() == int(state is JobState.FAILED)


def test_a_job_that_is_done_leads_to_another_only_if_people_have_objected_since(house, refresh):
    house.clock.at += 40 * DAY
    house.objects()
    assert refresh.run() == 1

    house.job = SimpleNamespace(state=JobState.DONE, updated=house.clock.now())
    house.used[:] = [SimpleNamespace(permit_version=2, objections="others-numbers", at=house.clock.now())]
    house.clock.at += 40 * DAY
    assert refresh.run() == 0


@pytest.mark.parametrize("state", [state for state in PermitState if state is not PermitState.ACTIVE])
def test_only_projects_with_an_active_permit_are_refreshed(house, refresh, state):
    house.clock.at += 40 * DAY
    house.objects()
    house.state = state

    assert refresh.run() == 0


def test_neither_is_one_whose_days_are_over_or_that_waits_for_its_first_extract(house, refresh):
    house.clock.at = datetime(2026, 6, 1, tzinfo=UTC)
    house.objects()
    house.until = date(2026, 5, 31)
    assert refresh.run() == 0

    house.until, house.used[0].permit_version = (
        date(2030, 1, 1),
        1,
    )  # the permit was changed; its extracts are being made
    assert refresh.run() == 0


def test_what_is_due_stands_in_the_audit_trail(house, refresh):
    house.clock.at += 40 * DAY
    house.objects()
    refresh.run()

    with refresh.database.reading() as session:
        (row,) = refresh.database.trail.rows(session)
    assert (row.action, row.subject, dict(row.detail)) == ("extract.refresh_due", "p-one", {"days": 30})
