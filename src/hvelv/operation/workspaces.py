"""What people keep in their rooms: saved to a file for each project, restored from it, removed for good.

An archive holds pseudonymised rows and is as worth protecting as the rooms are. Who a file belongs to is kept by the
person's id, because the user ids that sessions have differ from one installation to the next.
"""

import hashlib
import json
import os
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hvelv.enclave.adapters import disks
from hvelv.enclave.adapters.rooms import open_in
from hvelv.enclave.adapters.uids import UidTable
from hvelv.enclave.domain.sessions import NAME, SHARED, SessionName
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.settings import Settings
from hvelv.operation.opened import opened
from hvelv.operation.trouble import Trouble

ACTOR = "operator"
SHARED_FOLDER = f".{SHARED}"
CHANGED_MEANWHILE = 1  # tar's answer when a file was written to while it was read
BLOCK = 512  # bytes that the file system counts in


@dataclass(frozen=True)
class Kept:
    """What one project's rooms hold on disk."""

    project: str
    persons: tuple[str, ...]
    size: int  # bytes
    open: int  # sessions


def listed(settings: Settings) -> list[Kept]:
    """Return what each project keeps, by project."""
    folder = _workspaces(settings)
    projects = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name)) if folder.is_dir() else []
    return [_kept(settings, path) for path in projects]


def _kept(settings: Settings, folder: Path) -> Kept:
    size = sum(path.lstat().st_blocks * BLOCK for path in _everything(folder))
    return Kept(folder.name, _persons(folder), size, open_in(settings.run_dir, folder.name))


def save(settings: Settings, project: str, target: Path) -> tuple[Path, str]:
    """Write the project's archive and, last, what is known of it. Returns the archive and its SHA-256. Raises `Trouble`.

    Rooms may be open meanwhile: a file that is written to just then is saved as it was at some moment.
    """
    folder = _folder(settings, project)
    if not target.is_dir():
        raise Trouble("There is no such folder to save to.", "Make it, readable by you alone.")
    archive = target / f"{project}.tar"
    part = archive.with_suffix(".part")
    with opened(settings) as databases:
        try:
            part.touch(mode=0o600)
            part.chmod(0o600)
            with disks.view(folder) as seen:
                _tar("--create", "--sparse", "--file", str(part), "--directory", str(seen), ".")
            _write_down(settings, project, folder, archive, part)
        finally:
            part.unlink(missing_ok=True)
        known = _known(archive)
        _record(databases["registry"], "workspaces.saved", project, {"sha256": known["sha256"]})
    return archive, str(known["sha256"])


def _write_down(settings: Settings, project: str, folder: Path, archive: Path, part: Path) -> None:
    about = archive.with_suffix(".json")
    about.unlink(missing_ok=True)  # an archive without it is none: nothing tells of the old one beside the new
    part.rename(archive)
    table = _table(settings)
    known = {
        "project": project,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": _sha256(archive),
        "persons": {person: table.uid_of(SessionName(person, project)) for person in _persons(folder)},
        "group": table.group_of(project),
    }
    new = about.with_suffix(".json.part")
    new.touch(mode=0o600)
    new.write_text(json.dumps(known, indent=1))
    new.rename(about)


def restore(settings: Settings, archive: Path, *, replace: bool = False) -> str:
    """Put back what an archive holds and return the project. Raises `Trouble`, and then nothing has changed.

    With `replace`, what is there now is set aside in a folder that is named afterwards.
    """
    known = _known(archive)
    project = str(known["project"])
    if _sha256(archive) != known["sha256"]:
        raise Trouble("The archive is not the one that was saved: it has changed since.", "Take another copy of it.")
    folder = _workspaces(settings) / project
    _nobody_is_in(settings, project)
    there = folder.is_dir() and any(folder.iterdir())
    if there and not replace:
        raise Trouble("The project has workspaces already.", "Set them aside with --replace, or remove them first.")
    with opened(settings) as databases:
        _workspaces(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
        staging = _workspaces(settings) / f".restoring-{secrets.token_hex(6)}"
        staging.mkdir(mode=0o700)
        try:
            _tar("--extract", "--preserve-permissions", "--file", str(archive), "--directory", str(staging))
            staging.chmod(0o700)
            _hand_over(settings, project, staging, known)
            if there:
                folder.rename(_workspaces(settings) / f".replaced-{project}-{secrets.token_hex(4)}")
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        _record(databases["registry"], "workspaces.restored", project, {"sha256": known["sha256"], "replaced": there})
    return project


def _hand_over(settings: Settings, project: str, staging: Path, known: Mapping[str, Any]) -> None:
    """Give everything to the user ids that these persons have here; drop what is neither file, folder nor link."""
    strange = [p.name for p in staging.iterdir() if p.name != SHARED_FOLDER and not NAME.fullmatch(p.name)]
    if strange:
        raise Trouble("The archive holds something else than workspaces.", "Nothing was restored.")
    table, root = _table(settings), os.geteuid() == 0
    group = table.group_of(project)
    numbers = {old: table.uid_of(SessionName(person, project)) for person, old in known["persons"].items()}
    for top in sorted(staging.iterdir()):
        shared = top.name == SHARED_FOLDER
        own = group if shared else table.uid_of(SessionName(top.name, project))
        for path in [top, *_everything(top)]:
            status = path.lstat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                path.unlink()
            elif root:
                uid = numbers.get(status.st_uid, own) if shared else own
                os.chown(path, 0 if path == top and shared else uid, group if shared else own, follow_symlinks=False)


def remove(settings: Settings, project: str) -> None:
    """Remove all that the project's people kept, and what was set aside of it, for good. Raises `Trouble`."""
    folder = _folder(settings, project)
    _nobody_is_in(settings, project)
    with opened(settings) as databases:
        for path in [folder, *_workspaces(settings).glob(f".replaced-{project}-*")]:
            shutil.rmtree(path)
        _record(databases["registry"], "workspaces.removed", project, {})


def _workspaces(settings: Settings) -> Path:
    return settings.domain_dir("hub") / "workspaces"


def _folder(settings: Settings, project: str) -> Path:
    folder = _workspaces(settings) / project
    if not NAME.fullmatch(project) or not folder.is_dir():
        raise Trouble("No project of that name keeps anything here.", "`hvelv workspaces list` shows those that do.")
    return folder


def _persons(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if NAME.fullmatch(path.name)))


def _everything(folder: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(folder):
        yield from (Path(at) / name for name in (*folders, *files))


def _table(settings: Settings) -> UidTable:
    return UidTable(settings.domain_dir("hub") / "session-uids.json", settings.session_uid_base)


def _nobody_is_in(settings: Settings, project: str) -> None:
    if open_in(settings.run_dir, project):
        raise Trouble(
            "Somebody has a room of the project open.", "Wait until all are closed, or `hvelv permits suspend`."
        )


def _tar(*arguments: str) -> None:
    command = ["tar", "--numeric-owner", *arguments]
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        raise Trouble("tar is not to be had.", "On Debian: apt-get install tar") from None
    if done.returncode not in {0, CHANGED_MEANWHILE}:
        raise Trouble(
            f"tar could not do it (status {done.returncode}).", "Is there room on the disk, and may you read it?"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(archive: Path) -> dict[str, Any]:
    try:
        known = json.loads(archive.with_suffix(".json").read_text())
        whole = NAME.fullmatch(known["project"]) and isinstance(known["persons"], dict) and known["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        whole = None
    if not whole or not archive.is_file():
        raise Trouble("That is no archive of workspaces.", "Name the .tar file; the .json file has to stand beside it.")
    return dict(known)


def _record(registry: Any, action: str, project: str, detail: Mapping[str, Any]) -> None:
    with registry.transaction() as unit:
        unit.record(AuditEvent(ACTOR, action, project, detail))
