"""A session's folders on the host: made before it starts, with exactly the owners that its sockets need, removed after.

The gateway, which may be a user of its own, must reach a session's server and nothing else of it; a session must reach
its own two sockets and no other's. Both follow from owner, group and setgid of three folders (docs/architecture.md).
"""

import json
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hvelv.enclave.adapters.cgroups import Cgroups
from hvelv.enclave.adapters.sandbox import write_own_files
from hvelv.enclave.domain.sessions import SHARED, SessionLayout, SessionName


@dataclass(frozen=True)
class Owner:
    """A user and a group on the host."""

    uid: int
    gid: int


def _folder(path: Path, mode: int, owner: Owner | None) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
    path.chmod(mode)


def control_socket(run_dir: Path) -> Path:
    """Return where the gateway is told of sessions that come and go."""
    return run_dir / "gateway-control" / "sock"


def gateway_owner(run_dir: Path) -> Owner:
    """Return whom the gateway runs as: the owner of its control folder, which no session can reach."""
    status = control_socket(run_dir).parent.stat()
    return Owner(status.st_uid, status.st_gid)


def make_folders(layout: SessionLayout, uid: int | None, group: int | None = None) -> None:
    """Make the session's folders and files and say, in `session.json`, whose they are. `uid` is None without root.

    `group` is that of the folder which the project's members share: new files in it belong to the group.
    """
    shutil.rmtree(layout.home, ignore_errors=True)
    shutil.rmtree(layout.egress, ignore_errors=True)
    gateway = gateway_owner(layout.run_dir) if uid is not None else None
    shared = Owner(0, gateway.gid) if gateway else None
    for path in (layout.home.parent, layout.home, layout.egress.parent):
        _folder(path, 0o750, shared)
    own = uid if uid is not None else 0
    _folder(layout.server_socket_dir, 0o2710, Owner(own, gateway.gid) if gateway else None)
    _folder(layout.egress, 0o2750, Owner(gateway.uid, own) if gateway else None)
    _folder(layout.workspace.parent, 0o700, None)
    _folder(layout.workspace, 0o700, Owner(own, own) if gateway else None)
    _folder(layout.shared, 0o2770, Owner(0, own if group is None else group) if gateway else None)
    _make_way(layout.workspace / SHARED)
    write_own_files(layout)
    _announce(layout, shared)


def _make_way(place: Path) -> None:
    """Put aside what a person has put where the shared folder is shown, unless it is a folder."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        place.rename(place.with_name(f"{place.name}-{secrets.token_hex(4)}"))


def _announce(layout: SessionLayout, owner: Owner | None) -> None:
    part = layout.announcement.with_suffix(".part")
    part.write_text(json.dumps({"person": layout.name.person, "project": layout.name.project}))
    if owner is not None:
        os.chown(part, owner.uid, owner.gid)
    part.chmod(0o640)
    part.rename(layout.announcement)


def announced(home: Path) -> SessionName:
    """Return whose session `home` says it is. Raises `ValueError` when it is not the one its folder is named for."""
    document = json.loads((home / "session.json").read_text())
    name = SessionName(str(document["person"]), str(document["project"]))
    if name.sid != home.name:
        raise ValueError("the folder is another session's")
    return name


def open_in(run_dir: Path, project: str) -> int:
    """Return how many sessions of the project are announced."""
    found = 0
    for announcement in (run_dir / "sessions").glob("*/session.json"):
        with suppress(OSError, ValueError, KeyError):  # one that is just being made or removed is none yet, or no more
            found += announced(announcement.parent).project == project
    return found


def remove_folders(layout: SessionLayout) -> None:
    """Remove everything of the session but the workspace."""
    shutil.rmtree(layout.home, ignore_errors=True)
    shutil.rmtree(layout.egress, ignore_errors=True)


def sweep(run_dir: Path) -> None:
    """End and remove what an earlier hub left behind. Called once, when a hub starts and has no sessions yet."""
    groups = Cgroups(run_dir)
    if groups.available:
        groups.remove_all()
    for parent in (run_dir / "sessions", run_dir / "egress"):
        for child in parent.iterdir() if parent.is_dir() else ():
            shutil.rmtree(child, ignore_errors=True)
