"""What the custodian keeps of a project on its own disk, removed."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hvelv.privacy.domain.rooms import HASH_LETTERS, prefix


@dataclass(frozen=True)
class DiskTraces:
    """`Traces` in folders of the custodian: those that have a folder for each project, and copies named by their hash."""

    folders: tuple[Path, ...]

    def remove(self, project: str, names: Sequence[str]) -> int:
        """Remove the project's own folders, and the copies of the objects called `names`; return how many files."""
        own = prefix(project).rstrip("/")
        hashes = {Path(name).stem[-HASH_LETTERS:] for name in names if name.endswith(".parquet")}
        removed = 0
        for folder in (folder for folder in self.folders if folder.is_dir()):
            removed += sum(path.is_file() for path in (folder / own).rglob("*"))
            shutil.rmtree(folder / own, ignore_errors=True)
            for path in folder.iterdir():
                if path.is_file() and path.name.lstrip(".")[:HASH_LETTERS] in hashes:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed
