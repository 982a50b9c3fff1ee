"""Stand-ins that tests/contract holds against the real thing."""

from collections.abc import Iterator
from pathlib import Path

from hvelv.kernel.errors import NotFound


class MemoryObject:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def pieces(self, size: int = 1 << 20) -> Iterator[bytes]:
        for start in range(0, len(self._data), size):
            yield self._data[start : start + size]


class MemoryStore:
    """An object store in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def ensure_bucket(self, bucket: str) -> None:
        pass

    def put(self, bucket: str, name: str, data: bytes) -> None:
        self.objects[bucket, name] = bytes(data)

    def put_file(self, bucket: str, name: str, path: Path) -> None:
        self.put(bucket, name, path.read_bytes())

    def get(self, bucket: str, name: str) -> bytes:
        try:
            return self.objects[bucket, name]
        except KeyError:
            raise NotFound("Objektet finnes ikke i lageret.") from None

    def get_file(self, bucket: str, name: str, path: Path) -> None:
        path.write_bytes(self.get(bucket, name))

    def opened(self, bucket: str, name: str) -> MemoryObject:
        return MemoryObject(self.get(bucket, name))

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        return sorted(n for b, n in self.objects if b == bucket and n.startswith(prefix))

    def move(self, bucket: str, name: str, to: str) -> None:
        self.put(to, name, self.get(bucket, name))
        self.delete(bucket, name)

    def delete(self, bucket: str, name: str) -> None:
        self.objects.pop((bucket, name), None)
