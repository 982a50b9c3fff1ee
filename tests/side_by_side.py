"""Test files dealt out among processes that run beside each other: who comes first to a file runs all of its tests.

`scripts/test.py` starts the processes and names a folder; an empty file in it says that somebody is at a file of tests.
What one expensive fixture serves is one lot, so that it is made once. Without the folder's name nothing is dealt out.
"""

import hashlib
import os
from pathlib import Path

import pytest

FOLDER = "HVELV_TEST_LOTS"
TOGETHER = ("road",)  # fixtures that live as long as the whole run, and take minutes to make


class Lots:
    """Runs the tests of files that no other process has come to first."""

    def __init__(self, folder):
        self.folder = folder
        self.together, self.mine, self.run = {}, {}, 0

    def pytest_collection_finish(self, session):
        for item in session.items:
            for fixture in TOGETHER:
                if fixture in item.fixturenames:
                    self.together[item.path] = fixture

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        lot = str(self.together.get(item.path, item.path))
        if lot not in self.mine:
            self.mine[lot] = self.taken(lot)
        if not self.mine[lot]:
            item.session._setupstate.teardown_exact(nextitem)  # what the last test left for those of its folder
            return True  # somebody else runs it
        self.run += 1
        return None

    def taken(self, lot):
        try:
            (self.folder / hashlib.sha256(lot.encode()).hexdigest()).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def pytest_sessionfinish(self, session):
        (self.folder / f"run-{os.getpid()}").write_text(f"{self.run} {len(session.items)}")


def pytest_configure(config):
    if folder := os.environ.get(FOLDER):
        config.pluginmanager.register(Lots(Path(folder)), "lots")
