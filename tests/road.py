"""An installation with every process real, on which the demo has walked the whole road: once for each kind of database."""

import re
from pathlib import Path

import pytest

from hvelv.kernel.database import custodian, registry
from hvelv.operation import demo, running
from tests.builders_operation import Installation, short_folder
from tests.postgres import new_postgres_url


class Road:
    """An installation on which the demo has walked once."""

    def __init__(self, installation):
        self.installation = installation
        self.settings = installation.settings
        self.registry = registry(self.settings.registry_url)
        self.custodian = custodian(self.settings.custodian_url)
        self.bundle = self.walk()

    def close(self):
        self.registry.close()
        self.custodian.close()

    def walk(self):
        """Run `hvelv demo` as a person would, and return the bundle it names."""
        seen = self.installation.hvelv("demo", timeout=600)
        assert seen.returncode == 0, seen.stdout[-3000:] + seen.stderr[-3000:]
        self.told = seen.stdout
        return Path(re.search(r"The bundle: +(\S+)", seen.stdout).group(1))

    @property
    def notes(self):
        return demo.Notes.load(self.settings)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def road(request):
    with short_folder() as folder:
        extra = {}
        if request.param == "postgresql":
            cluster = request.getfixturevalue("postgres")
            extra = {
                "HVELV_REGISTRY_DATABASE": new_postgres_url(cluster),
                "HVELV_CUSTODIAN_DATABASE": new_postgres_url(cluster),
            }
        installation = Installation(folder, **extra)
        walked = None
        try:
            walked = Road(installation)
            yield walked
        finally:
            if walked:
                walked.close()
            running.down(installation.settings)
            left = installation.marked()
    assert left == []
