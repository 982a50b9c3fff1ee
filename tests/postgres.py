"""A throw-away PostgreSQL, on a unix socket, and a fresh database of each kind for a test that asks for one."""

import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI") == "true"
USER = "postgres"


def _binaries():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_user(command):
    if os.getuid() == 0:
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
    return command


@pytest.fixture(scope="session")
def postgres():
    """Start a cluster in a temporary folder; yields the folder of its socket."""
    binaries = _binaries()
    if binaries is None:
        reason = "PostgreSQL's binaries are not installed: apt-get install postgresql"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="hv-pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, USER, USER)
    folder.chmod(0o755)  # the platform comes in as users of its own
    data = folder / "data"

    def run(command):
        subprocess.run(_as_user(command), check=True, stdout=subprocess.DEVNULL, cwd="/")

    run([str(binaries / "initdb"), "-D", str(data), "-U", "hvelv", "-A", "trust", "--no-sync"])
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    run([*control, "-o", options, "-l", str(folder / "log"), "start"])
    yield folder
    run([*control, "-m", "immediate", "stop"])
    shutil.rmtree(folder, ignore_errors=True)


def new_postgres_url(folder):
    """Make an empty database in the cluster and return its URL."""
    from sqlalchemy import create_engine, text

    name = f"t{uuid.uuid4().hex[:12]}"
    engine = create_engine(f"postgresql+psycopg://hvelv@/postgres?host={folder}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"postgresql+psycopg://hvelv@/{name}?host={folder}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """The URL of a fresh, empty database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.sqlite"
    return new_postgres_url(request.getfixturevalue("postgres"))
