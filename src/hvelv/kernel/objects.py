"""Objects in buckets: what the platform asks of an object store, and the store behind the official `minio` SDK."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from hvelv.kernel.errors import NotFound, Unavailable, _
from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings

PART = 16 << 20


class ObjectStore(Protocol):
    """Buckets of named, immutable byte strings."""

    def ensure_bucket(self, bucket: str) -> None:
        """Make the bucket if it is not there."""
        ...

    def put(self, bucket: str, name: str, data: bytes) -> None:
        """Store `data` as one object: visible whole or not at all."""
        ...

    def put_file(self, bucket: str, name: str, path: Path) -> None:
        """Store a file as one object."""
        ...

    def get(self, bucket: str, name: str) -> bytes:
        """Return an object's bytes. Raises `NotFound`."""
        ...

    def get_file(self, bucket: str, name: str, path: Path) -> None:
        """Write an object to `path`. Raises `NotFound`."""
        ...

    def opened(self, bucket: str, name: str) -> "Opened":
        """Open an object for reading in pieces. Raises `NotFound`."""
        ...

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the names below `prefix`, sorted."""
        ...

    def move(self, bucket: str, name: str, to: str) -> None:
        """Put an object into the bucket `to` under the same name, then remove it here. Raises `NotFound`."""
        ...

    def delete(self, bucket: str, name: str) -> None:
        """Remove an object if it is there."""
        ...


class Opened(Protocol):
    """An object being read."""

    size: int

    def pieces(self, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the bytes in pieces and close at the end."""
        ...


class _MinioOpened:
    def __init__(self, response: IO[bytes] | object, size: int) -> None:
        self._response = response
        self.size = size

    def pieces(self, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the bytes in pieces and give the connection back."""
        try:
            yield from self._response.stream(size)  # type: ignore[union-attr]
        finally:
            self._response.close()  # type: ignore[union-attr]
            self._response.release_conn()  # type: ignore[union-attr]


@dataclass(frozen=True)
class StoreAccount:
    """Where the installation's store is (host:port), and the custodian's own credentials there."""

    endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    secure: bool = False


class MinioStore:
    """Any S3 endpoint, through the `minio` SDK."""

    def __init__(
        self, endpoint: str, access_key: str, secret_key: str, *, secure: bool = False, session_token: str | None = None
    ) -> None:
        from minio import Minio

        self.client = Minio(
            endpoint,
            access_key=access_key,
            secret_key=secret_key,
            session_token=session_token,
            secure=secure,
            region="us-east-1",
        )

    @classmethod
    def of(cls, account: StoreAccount) -> "MinioStore":
        """Return the store with its owner's credentials."""
        return cls(account.endpoint, account.access_key, account.secret_key, secure=account.secure)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from minio.error import S3Error
        from urllib3.exceptions import HTTPError

        try:
            yield
        except S3Error as error:
            if error.code in {"NoSuchKey", "NoSuchBucket", "NoSuchObject"}:
                raise NotFound(_("Objektet finnes ikke i lageret.")) from None
            raise Unavailable(_("Lageret svarer ikke som det skal. Ingenting er gjort."), code="store") from error
        except (HTTPError, OSError) as error:
            raise Unavailable(_("Lageret svarer ikke. Ingenting er gjort."), code="store") from error

    def ensure_bucket(self, bucket: str) -> None:
        with self._answering():
            if not self.client.bucket_exists(bucket):
                self.client.make_bucket(bucket)

    def put(self, bucket: str, name: str, data: bytes) -> None:
        with self._answering():
            self.client.put_object(bucket, name, io.BytesIO(data), len(data), part_size=PART)

    def put_file(self, bucket: str, name: str, path: Path) -> None:
        with self._answering():
            self.client.fput_object(bucket, name, str(path), part_size=PART)

    def get(self, bucket: str, name: str) -> bytes:
        return b"".join(self.opened(bucket, name).pieces())

    def get_file(self, bucket: str, name: str, path: Path) -> None:
        with path.open("wb") as file:
            for piece in self.opened(bucket, name).pieces():
                file.write(piece)

    def opened(self, bucket: str, name: str) -> Opened:
        with self._answering():
            response = self.client.get_object(bucket, name)
            return _MinioOpened(response, int(response.headers.get("Content-Length", "0")))

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        with self._answering():
            found = self.client.list_objects(bucket, prefix=prefix, recursive=True)
            return sorted(item.object_name for item in found if item.object_name)

    def move(self, bucket: str, name: str, to: str) -> None:
        from minio.commonconfig import CopySource

        with self._answering():
            self.client.copy_object(to, name, CopySource(bucket, name))
            self.client.remove_object(bucket, name)

    def delete(self, bucket: str, name: str) -> None:
        with self._answering():
            self.client.remove_object(bucket, name)


def account_of(settings: Settings) -> StoreAccount:
    """Return the custodian's account at the installation's object store: the one in the settings, else the embedded one."""
    if settings.store_endpoint:
        return StoreAccount(
            settings.store_endpoint, settings.store_access_key, settings.store_secret_key, secure=settings.store_secure
        )
    secrets = Secrets(settings.secrets_dir("custodian"))
    endpoint = f"127.0.0.1:{settings.store_port}"
    return StoreAccount(endpoint, secrets.read("store_access_key"), secrets.read("store_secret_key"))


def store_of(settings: Settings) -> MinioStore:
    """Return the installation's object store, with the custodian's own credentials."""
    return MinioStore.of(account_of(settings))
