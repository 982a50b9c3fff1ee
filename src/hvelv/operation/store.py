"""The embedded object store: SeaweedFS on loopback, closed on every side we know of.

What is switched off or on, and why, is measured in docs/operating.md: credentials for S3, keys for its inner HTTP, mutual
TLS for its inner gRPC (without it anyone on the machine lists and deletes objects), deny by default for sessions.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hvelv.kernel.objects import MinioStore, store_of
from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings
from hvelv.operation.certificates import ensure_certificates
from hvelv.operation.domains import STORE

PLATFORM = "platform"
PLATFORM_ARN = f"arn:aws:iam::000000000000:user/{PLATFORM}"
MASTER, VOLUME, FILER, ADMIN, S3 = range(5)  # offsets from settings.store_internal_port
GRPC = 10_000
ROOMS = "rooms"
LIFE = "50s"  # of credentials for a room, whatever is asked for: rights have to end within a minute, and nothing revokes them
COMPONENTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "MQ", "MSG_BROKER", "CLIENT")
ACTIONS = ("Admin", "Read", "Write", "List", "Tagging")

log = logging.getLogger(__name__)

BUCKETS: Mapping[str, bool] = {
    "vault": False,
    ROOMS: False,
    "sealed": False,
    "bundles": True,
    "audit": True,
}
"""The platform's buckets, and whether objects in them can be locked (COMPLIANCE: not even an administrator removes them)."""

KEYS: Mapping[str, str] = {
    "WEED_JWT_SIGNING_KEY": "store_jwt_volume_write",
    "WEED_JWT_SIGNING_READ_KEY": "store_jwt_volume_read",
    "WEED_JWT_FILER_SIGNING_KEY": "store_jwt_filer_write",
    "WEED_JWT_FILER_SIGNING_READ_KEY": "store_jwt_filer_read",
    "WEED_S3_SSE_KEY": "store_sse_key",
}


def connect(settings: Settings, *, patient: bool = True) -> MinioStore:
    """Return the object store for the custodian and its worker: the one in the settings, else the embedded one.

    With `patient=False` it gives up at the first refusal instead of trying again: for readiness checks.
    """
    client = store_of(settings)
    if not patient:
        _give_up_early(client)
    return client


def _give_up_early(client: MinioStore) -> None:
    import urllib3

    client.client._http = urllib3.PoolManager(  # noqa: SLF001 - the SDK has no setting for a ready-made client later on
        timeout=urllib3.Timeout(connect=1, read=5), retries=urllib3.Retry(0)
    )


def prepare_buckets(settings: Settings) -> None:
    """Make the buckets that are missing, and have the store encrypt what is put into them.

    Those that can lock objects are made so, since it cannot be added later. A store that cannot encrypt is left as it
    is; `hvelv doctor` warns of it.
    """
    from minio.error import S3Error
    from minio.sseconfig import Rule, SSEConfig

    store = connect(settings)
    for bucket, locks in BUCKETS.items():
        if not store.client.bucket_exists(bucket):
            store.client.make_bucket(bucket, object_lock=locks)
        try:
            store.client.set_bucket_encryption(bucket, SSEConfig(Rule.new_sse_s3_rule()))
        except S3Error as error:
            log.warning("the store does not encrypt the bucket %s by itself: %s", bucket, error.code)


def unencrypted(settings: Settings) -> list[str]:
    """Return the buckets whose objects the store does not encrypt by itself. Raises `OSError` when it does not answer."""
    from minio.error import S3Error
    from urllib3.exceptions import HTTPError

    store, found = connect(settings, patient=False), []
    for bucket in BUCKETS:
        try:
            if store.client.get_bucket_encryption(bucket) is None:
                found.append(bucket)
        except S3Error:
            found.append(bucket)
        except HTTPError as error:
            raise OSError(str(error)) from error
    return found


def identities(secrets: Secrets) -> dict[str, Any]:
    """Return who may use S3: the platform, and nobody else."""
    credentials = [{"accessKey": secrets.read("store_access_key"), "secretKey": secrets.read("store_secret_key")}]
    return {"identities": [{"name": PLATFORM, "credentials": credentials, "actions": list(ACTIONS)}]}


def access_rules(secrets: Secrets) -> dict[str, Any]:
    """Return the rules for short-lived credentials: everything denied, and a reading role only the platform can take on."""
    reading = [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{ROOMS}/*"]},
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{ROOMS}"]},
    ]
    trust = [{"Effect": "Allow", "Principal": {"AWS": PLATFORM_ARN}, "Action": ["sts:AssumeRole"]}]
    return {
        "sts": {
            "tokenDuration": LIFE,
            "maxSessionLength": LIFE,
            "issuer": "hvelv",
            "signingKey": secrets.read("store_sts_key").replace("-", "+").replace("_", "/"),
        },
        "policy": {"defaultEffect": "Deny"},
        "policies": [{"name": "ProjectsRead", "document": {"Version": "2012-10-17", "Statement": reading}}],
        "roles": [
            {
                "roleName": "ProjectReader",
                "roleArn": "arn:aws:iam::role/ProjectReader",
                "attachedPolicies": ["ProjectsRead"],
                "trustPolicy": {"Version": "2012-10-17", "Statement": trust},
            }
        ],
    }


def switches(settings: Settings, folder: Path) -> list[str]:
    """Return the server's command line. No secret stands in it."""
    first = settings.store_internal_port

    def port(flag: str, offset: int) -> list[str]:
        return [f"-{flag}.port={first + offset}", f"-{flag}.port.grpc={first + offset + GRPC}"]

    return [
        *("-logtostderr=true", "mini", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *port("master", MASTER),
        *port("volume", VOLUME),
        *port("filer", FILER),
        *port("admin", ADMIN),
        f"-s3.port={settings.store_port}",
        f"-s3.port.grpc={first + S3 + GRPC}",
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        "-master.telemetry=false",  # it is on unless switched off
        *(f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"),
        *("-filer.disableDirListing", "-filer.exposeDirectoryData=false", "-filer.ui.deleteDir=false"),
        *(f"-s3.config={folder / 'identities.json'}", f"-s3.iam.config={folder / 'access.json'}"),
        *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false", "-s3.iam.readOnly=true"),
    ]


def server_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that give the server its keys and certificates."""
    secrets = Secrets(settings.secrets_dir(STORE))
    certificate = ensure_certificates(settings.secrets_dir(STORE))
    variables = {variable: secrets.read(name) for variable, name in KEYS.items()}
    variables["WEED_GRPC_CA"] = str(certificate.authority)
    for component in COMPONENTS:
        variables[f"WEED_GRPC_{component}_CERT"] = str(certificate.certificate)
        variables[f"WEED_GRPC_{component}_KEY"] = str(certificate.key)
    return variables


def program() -> Path:
    """Return the server's program, which a package of the platform brings."""
    return Path(sys.executable).with_name("weed")


def serve(settings: Settings) -> None:
    """Write the server's configuration and become the server."""
    folder = settings.domain_dir(STORE)
    secrets = Secrets(settings.secrets_dir(STORE))
    (folder / "data").mkdir(exist_ok=True)
    for name, content in (("identities.json", identities(secrets)), ("access.json", access_rules(secrets))):
        (folder / name).write_text(json.dumps(content))
    (folder / "data" / "mini.options").unlink(missing_ok=True)  # it remembers the switches of its last start
    os.environ.update(server_environment(settings))
    os.chdir(folder)
    os.execv(program(), [str(program()), *switches(settings, folder)])  # noqa: S606 - the list is ours
