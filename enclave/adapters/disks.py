"""A disk of its own for each workspace, and for what a project's members share: a file system in a sparse file, so that no writer can take more than its share.

The file grows as it is filled and is never larger than the limit; how many files fit is set when it is made. No quota of
the host's own file system is needed, and nothing has to be measured in time (docs/adr/0018-a-disk-for-each-workspace.md).
Only root can mount one. Without root, or without loop devices, a workspace is a plain folder, and `hvelv doctor` says so.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hvelv.enclave.domain.sessions import SessionLayout, SessionLimits

TOOLS = ("mkfs.ext4", "e2fsck", "resize2fs", "mount", "umount")
OPTIONS = "loop,nosuid,nodev,noatime"
JOURNAL = 4  # MiB: the least that ext4 takes
SMALLEST = 16 << 20
CHECKED = (0, 1)  # e2fsck's exit codes: nothing to mend, mended


class DiskError(RuntimeError):
    """A workspace's disk is there and cannot be used. The session is not opened: its files would seem to be gone."""


def _run(*command: str, good: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in good:
        raise DiskError(f"{command[0]} ended with status {done.returncode}")


def missing() -> str:
    """Return what this machine lacks for disks of workspaces, or nothing."""
    if os.geteuid() != 0:
        return "not root"
    lacking = [name for name in TOOLS if shutil.which(name) is None]
    if lacking:
        return "not installed: " + ", ".join(lacking)
    return "" if Path("/dev/loop-control").exists() else "no loop devices"


def works() -> str:
    """Make, mount and remove a small one. Return what went wrong, or nothing."""
    if lacking := missing():
        return lacking
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder) / "image", Path(folder) / "place")
        disk.place.mkdir()
        try:
            disk.make(SMALLEST, 1000)
            disk.mount()
        except (DiskError, OSError) as error:
            return str(error)
        finally:
            disk.detach()
    return ""


@dataclass(frozen=True)
class Disk:
    """One workspace's image, and the folder where it is mounted while a session lives."""

    image: Path
    place: Path

    def make(self, size: int, files: int) -> None:
        """Make the image, with what already lies in the folder in it. An unfinished one is never taken for the disk."""
        part = self.image.with_suffix(".part")
        self.image.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.truncate(max(size, SMALLEST))
        _run(
            "mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(files), "-J", f"size={JOURNAL}", "-e", "remount-ro",
            "-E", "nodiscard", "-d", str(self.place), str(part),
        )  # fmt: skip
        part.rename(self.image)

    def grow(self, size: int) -> None:
        """Make the disk as large as the limit now is. It is never made smaller."""
        if size <= self.image.stat().st_size:
            return
        os.truncate(self.image, size)
        _run("e2fsck", "-f", "-p", str(self.image), good=CHECKED)
        _run("resize2fs", str(self.image))

    def mount(self) -> None:
        """Mount it on its folder. Raises `DiskError`."""
        _run("mount", "-t", "ext4", "-o", OPTIONS, str(self.image), str(self.place))
        with suppress(OSError):
            (self.place / "lost+found").rmdir()  # not a researcher's business; a check of the disk makes it anew

    def attach(self, limits: SessionLimits) -> None:
        """Make the disk if there is none, and mount it unless it is. Raises `DiskError`."""
        if self.place.is_mount():
            return
        self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.image.exists():
            self.make(limits.disk, limits.kept_files)
            self._empty_place()
        self.grow(limits.disk)
        self.mount()

    def _empty_place(self) -> None:
        """Remove what was copied into the image: it would lie below it, unseen and uncounted."""
        for child in self.place.iterdir():
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()

    def detach(self) -> None:
        """Unmount it. What still holds it, if anything does, is cut off when it lets go."""
        if self.place.is_mount():
            with suppress(DiskError):
                _run("umount", "--lazy", str(self.place))


def disks_of(layout: SessionLayout) -> tuple[Disk, Disk]:
    """Return the disk of a session's workspace, and that of what its project's members share."""
    return Disk(layout.disk, layout.workspace), Disk(layout.shared_disk, layout.shared)


def attach(layout: SessionLayout, limits: SessionLimits) -> bool:
    """Put both on their disks. False where one of them stays a plain folder. Raises `DiskError`."""
    own, common = (_attached(disk, limits) for disk in disks_of(layout))
    return own and common


def _attached(disk: Disk, limits: SessionLimits) -> bool:
    wanted = limits.disk > 0 and not missing()
    if not wanted and not disk.image.exists():
        return False
    try:
        disk.attach(limits)
    except (DiskError, OSError):
        if disk.image.exists():
            raise DiskError("the workspace's disk cannot be mounted, so no session is opened") from None
        return False
    return True


def detach(layout: SessionLayout, *, shared: bool = True) -> None:
    """Put away the session's disk, and with `shared` that of its project."""
    own, common = disks_of(layout)
    own.detach()
    if shared:
        common.detach()


@contextmanager
def view(folder: Path) -> Iterator[Path]:
    """Yield a folder in which all of a project's workspaces are seen, whether they are on disks or not, in use or not.

    A disk is mounted a second time, beside where sessions look for it, so that nobody is in anybody's way.
    """
    images = {image.name.removesuffix(".ext4"): image for image in (folder / ".disks").glob("*.ext4")}
    if not images:
        yield folder
        return
    made = Path(tempfile.mkdtemp())
    with ExitStack() as stack:
        stack.callback(made.rmdir)  # never recursively: below it lies what people keep
        for child in (path for path in folder.iterdir() if path.is_dir() and path.name != ".disks"):
            place = made / child.name
            place.mkdir()
            stack.callback(place.rmdir)
            if child.name in images:
                Disk(images[child.name], place).mount()
            else:
                _run("mount", "--bind", str(child), str(place))
            stack.callback(_run, "umount", "--lazy", str(place))
        yield made


def detach_all(workspaces: Path) -> None:
    """Unmount every workspace's disk: what a hub does when it starts, before any session."""
    for image in workspaces.glob("*/.disks/*.ext4"):
        Disk(image, image.parent.parent / image.name.removesuffix(".ext4")).detach()
