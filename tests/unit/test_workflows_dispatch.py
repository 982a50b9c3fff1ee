"""The dispatcher: each job is started once, and one whose run died is started again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hvelv.kernel.clock import SetClock
from hvelv.privacy.service.jobs import Job, JobState
from hvelv.workflows.dispatch import MOST_ATTEMPTS, SILENCE, STARTING, WAITING, Dispatcher
from tests.builders import NOON

FIRST, SECOND = (f"job-1-{NOON:%Y%m%dT%H%M%S%f}-{number}" for number in (0, 1))


class List:
    """A list of one job."""

    def __init__(self, **changes):
        self.job = replace(Job("job-1", "provision", "p-1", JobState.QUEUED, 0, 0, "", 0, NOON), **changes)

    def unfinished(self):
        return [self.job] if self.job.state in {JobState.QUEUED, JobState.RUNNING} else []

    def again(self, _job, message=""):
        self.job = replace(self.job, state=JobState.QUEUED, message=message)

    def failed(self, _job, message):
        self.job = replace(self.job, state=JobState.FAILED, message=message)


class Starter:
    def __init__(self, lost=()):
        self.keys, self.lost = [], set(lost)

    def start(self, job, key):
        self.keys.append(key)
        return key not in self.lost


def test_a_queued_job_is_started_once():
    jobs, starter = List(), Starter()
    dispatcher = Dispatcher(jobs, starter, SetClock(NOON))

    dispatcher.look()
    dispatcher.look()

    assert starter.keys == [FIRST]


def test_a_second_dispatcher_asks_with_the_same_key():
    jobs, starter = List(), Starter()

    Dispatcher(jobs, starter, SetClock(NOON)).look()
    Dispatcher(jobs, starter, SetClock(NOON)).look()

    assert set(starter.keys) == {FIRST}


def test_a_run_that_ended_without_doing_the_job_is_replaced():
    jobs, starter = List(), Starter(lost={FIRST})
    dispatcher = Dispatcher(jobs, starter, SetClock(NOON))

    dispatcher.look()
    dispatcher.look()

    assert starter.keys == [FIRST, SECOND]


def test_a_run_that_never_begins_is_replaced_after_a_while():
    jobs, starter, clock = List(), Starter(), SetClock(NOON)
    dispatcher = Dispatcher(jobs, starter, clock)
    dispatcher.look()

    clock.advance(STARTING)
    dispatcher.look()
    dispatcher.look()

    assert starter.keys == [FIRST, SECOND]


def test_a_running_job_that_reports_is_left_alone_and_a_silent_one_goes_back_on_the_list():
    jobs, clock = List(state=JobState.RUNNING, attempts=1), SetClock(NOON + SILENCE)
    dispatcher = Dispatcher(jobs, Starter(), clock)
    dispatcher.look()
    assert jobs.job.state is JobState.RUNNING

    clock.advance(timedelta(seconds=1))
    dispatcher.look()

    assert jobs.job.state is JobState.QUEUED


@pytest.mark.parametrize("attempts", [0, 1])
def test_a_job_that_waits_for_its_permit_is_started_once_a_minute_for_as_long_as_it_takes(attempts):
    jobs, starter, clock = List(attempts=attempts), Starter(), SetClock(NOON)
    dispatcher = Dispatcher(jobs, starter, clock)
    dispatcher.look()
    assert len(starter.keys) == 1
    clock.advance(timedelta(seconds=1))

    for minute in range(1, 11):
        jobs.job = replace(jobs.job, message="Venter", updated=clock.now())  # the run put it back
        for _second in range(59):
            clock.advance(timedelta(seconds=1))
            dispatcher.look()
        assert len(starter.keys) == minute
        clock.advance(WAITING - timedelta(seconds=59))
        dispatcher.look()
        dispatcher.look()
        assert len(starter.keys) == minute + 1

    assert len(set(starter.keys)) == len(starter.keys)  # none is the key of a run that has ended


def test_a_job_that_a_steward_answered_soon_after_it_began_to_wait_is_started_again_at_once():
    jobs, starter, clock = List(), Starter(), SetClock(NOON)
    dispatcher = Dispatcher(jobs, starter, clock)
    dispatcher.look()

    clock.advance(timedelta(seconds=5))
    jobs.job = replace(jobs.job, message="Venter", updated=clock.now())  # the run measured, and put it back
    dispatcher.look()
    assert starter.keys == [FIRST]
    clock.advance(timedelta(seconds=5))
    jobs.job = replace(jobs.job, message="", updated=clock.now())  # `Jobs.hurry`: what it waited for has come
    dispatcher.look()
    dispatcher.look()

    assert len(starter.keys) == len(set(starter.keys)) == 2


def test_two_dispatchers_ask_for_a_waiting_job_with_the_same_key():
    jobs, starter = List(message="Venter", attempts=1), Starter()

    Dispatcher(jobs, starter, SetClock(NOON + WAITING)).look()
    Dispatcher(jobs, starter, SetClock(NOON + WAITING)).look()

    assert len(set(starter.keys)) == 1
    assert len(starter.keys) == 2


def test_a_job_that_dies_again_and_again_is_given_up_and_said_so():
    jobs = List(state=JobState.RUNNING, attempts=MOST_ATTEMPTS)

    Dispatcher(jobs, Starter(), SetClock(NOON + SILENCE * 2)).look()

    assert jobs.job.state is JobState.FAILED
    assert jobs.job.message
