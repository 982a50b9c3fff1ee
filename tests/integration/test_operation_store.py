"""The embedded store: what it keeps, and every way in that has to be closed."""

import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from hvelv.kernel.errors import NotFound, Unavailable
from hvelv.kernel.objects import PART, MinioStore
from hvelv.operation.store import BUCKETS, FILER, MASTER, VOLUME, connect, program
from tests.builders_operation import Installation, short_folder

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def installation():
    with short_folder() as folder:
        made = Installation(folder)
        came_up = made.hvelv("up", "--only", "store")
        assert came_up.returncode == 0, came_up.stdout + came_up.stderr
        yield made
        made.hvelv("down")


@pytest.fixture(scope="module")
def store(installation):
    return connect(installation.settings)


def test_what_is_put_is_got(store):
    store.put("vault", "a/b", b"bytes")

    assert store.get("vault", "a/b") == b"bytes"


def test_an_object_larger_than_one_part_comes_back_in_pieces(store, tmp_path):
    content = os.urandom(PART + 12_345)
    (tmp_path / "in").write_bytes(content)

    store.put_file("vault", "large", tmp_path / "in")
    store.get_file("vault", "large", tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == content
    assert store.opened("vault", "large").size == len(content)


def test_a_missing_object_is_not_found(store):
    with pytest.raises(NotFound):
        store.get("vault", "nothing")


def test_names_are_those_below_the_prefix_in_order(store):
    for name in ("n/2", "n/1", "m/1", "n2"):
        store.put("rooms", name, b"x")

    assert store.names("rooms", "n/") == ["n/1", "n/2"]


def test_a_deleted_object_is_gone_and_deleting_twice_is_no_fault(store):
    store.put("rooms", "gone", b"x")

    store.delete("rooms", "gone")
    store.delete("rooms", "gone")

    with pytest.raises(NotFound):
        store.get("rooms", "gone")


def test_the_platforms_buckets_are_there(store):
    for bucket in BUCKETS:
        assert store.client.bucket_exists(bucket)


@pytest.mark.parametrize("bucket", [name for name, locks in BUCKETS.items() if locks])
def test_not_even_the_platform_removes_what_is_locked(store, bucket):
    from minio.commonconfig import COMPLIANCE
    from minio.error import S3Error
    from minio.retention import Retention

    store.put(bucket, "locked", b"stays")
    until = datetime.now(UTC) + timedelta(minutes=10)
    store.client.set_object_retention(bucket, "locked", Retention(COMPLIANCE, until))
    version = store.client.stat_object(bucket, "locked").version_id

    with pytest.raises(S3Error):
        store.client.remove_object(bucket, "locked", version_id=version)

    assert store.get(bucket, "locked") == b"stays"


def credentials(installation):
    folder = installation.settings.secrets_dir("custodian")
    return [(folder / name).read_text().strip() for name in ("store_access_key", "store_secret_key")]


@pytest.mark.parametrize("wrong", ["key", "secret", "both", "none"])
def test_wrong_credentials_get_nothing(installation, store, wrong):
    store.put("vault", "kept", b"x")
    key, secret = credentials(installation)
    place = f"127.0.0.1:{installation.settings.store_port}"
    tried = {
        "key": ("HVELV0000000000000000", secret),
        "secret": (key, "x" * len(secret)),
        "both": ("admin", "admin"),
        "none": (None, None),
    }[wrong]
    stranger = MinioStore(place, *tried)

    with pytest.raises((Unavailable, NotFound)) as refused:
        stranger.get("vault", "kept")
    assert (
        "AccessDenied" in str(refused.value.__cause__)
        or "SignatureDoesNotMatch" in str(refused.value.__cause__)
        or ("InvalidAccessKeyId" in str(refused.value.__cause__))
    )
    with pytest.raises(Unavailable):
        stranger.put("vault", "planted", b"x")
    assert "planted" not in store.names("vault")


def test_the_stores_own_shell_gets_nothing_without_the_certificate(installation, store):
    store.put("vault", "kept", b"x")
    first = installation.settings.store_internal_port
    shell = [
        *(str(program()), "shell", f"-master=127.0.0.1:{first + MASTER}.{first + MASTER + 10_000}"),
        f"-filer=127.0.0.1:{first + FILER}.{first + FILER + 10_000}",
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEED_")}
    commands = "lock\nfs.ls /buckets\ns3.bucket.list\nvolume.list\nfs.rm /buckets/vault/kept\nunlock\n"
    try:
        done = subprocess.run(
            shell, input=commands, capture_output=True, text=True, timeout=8, env=clean, cwd="/", check=False
        )
        said = done.stdout
    except subprocess.TimeoutExpired as waiting:  # it tries for ever to be let in
        said = (waiting.stdout or b"").decode()

    assert "vault" not in said
    assert "kept" not in said
    assert store.get("vault", "kept") == b"x"


def test_the_inner_file_server_answers_nobody_without_its_key(installation, store):
    import httpx

    store.put("vault", "kept", b"x")
    filer = f"http://127.0.0.1:{installation.settings.store_internal_port + FILER}"

    assert httpx.get(f"{filer}/buckets/vault/kept").status_code == 401
    assert httpx.delete(f"{filer}/buckets/vault/kept").status_code == 401
    assert httpx.put(f"{filer}/buckets/vault/planted", content=b"x").status_code == 401
    assert store.names("vault", "planted") == []


def test_a_chunk_of_an_object_is_not_read_from_the_volume_without_its_key(installation, store):
    import httpx

    volume = f"http://127.0.0.1:{installation.settings.store_internal_port + VOLUME}"

    answers = {httpx.get(f"{volume}/{number},01637037d6").status_code for number in range(1, 8)}

    assert 200 not in answers


def test_no_secret_is_readable_by_others(installation):
    folder = installation.settings.domain_dir("store")
    secret = [*(folder / "secrets").iterdir(), folder / "identities.json", folder / "access.json"]

    assert len(secret) > 8
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *secret))
