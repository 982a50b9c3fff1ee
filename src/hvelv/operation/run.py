"""One process of the platform, in the foreground: `python -m hvelv.operation.run NAME`. The supervisor starts these."""

import importlib
import logging
import os
import sys
import tempfile

from hvelv.kernel.settings import Settings
from hvelv.operation.prefect_server import prefect_environment
from hvelv.operation.processes import BY_NAME

PRIVATE = 0o077
USES_PREFECT = frozenset({"prefect", "custodian", "worker"})


def run(name: str, settings: Settings) -> None:
    """Become the process `name`; returns when it has been asked to stop."""
    process = BY_NAME[name]
    os.umask(PRIVATE)
    os.chdir(settings.domain_dir(process.domain))
    scratch = settings.domain_dir(process.domain) / "tmp"
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
    (settings.domain_dir(process.domain) / f"{name}.ready").unlink(missing_ok=True)  # a note of an earlier start
    if name in USES_PREFECT:  # before anything imports prefect, which reads the environment once
        os.environ.update(prefect_environment(settings, process.domain))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes addresses, which may hold links' tokens
    module, function = process.runs.split(":")
    getattr(importlib.import_module(module), function)(settings)


if __name__ == "__main__":
    run(sys.argv[1], Settings())
