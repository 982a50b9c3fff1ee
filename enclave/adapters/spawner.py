"""The hub's way to start a session: JupyterLab inside a sandbox, open for as long as there is a grant."""

import asyncio
import os
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from jupyterhub.spawner import LocalProcessSpawner
from traitlets import Any as AnyTrait

from hvelv.enclave.adapters import disks, seccomp, session_log
from hvelv.enclave.adapters.cgroups import Cgroups, systemd_scope
from hvelv.enclave.adapters.grants import GrantDoor, NoAnswer, NoGrant
from hvelv.enclave.adapters.rooms import control_socket, make_folders, open_in, remove_folders
from hvelv.enclave.adapters.sandbox import CannotConfineError, Sandbox, check_environment, missing_tools
from hvelv.enclave.adapters.uids import UidTable
from hvelv.enclave.adapters.unix_http import asking
from hvelv.enclave.adapters.usage import Meter
from hvelv.enclave.domain.rights import RightsWatch
from hvelv.enclave.domain.sessions import SessionLayout, SessionLimits, SessionName, bytes_in
from hvelv.kernel.settings import Settings

HUB_API = "http+unix://%2Frun%2Fegress%2Fhub.sock/hub/api"
STOPPED_FOR_RIGHTS = 77  # the exit status shown for a session whose right ended
ROOMS = threading.Lock()  # held from a disk's mounting until its session is announced, and while one is put away
UNUSED_PORT = 8888  # jupyter_server's own default: with any other it refuses to listen on a socket instead
INSIDE = {
    "HOME": "/workspace",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",  # what starts the sandbox; inside, the environment comes first
    "XDG_RUNTIME_DIR": "/tmp",  # noqa: S108 - the sandbox's own
    "JUPYTER_CONFIG_DIR": "/etc/jupyter",
    "JUPYTER_RUNTIME_DIR": "/tmp/jupyter-runtime",  # noqa: S108
    "JUPYTER_DATA_DIR": "/tmp/jupyter-data",  # noqa: S108
    "JUPYTER_PREFER_ENV_PATH": "1",
    "IPYTHONDIR": "/tmp/ipython",  # noqa: S108
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108
    "JUPYTERLAB_SETTINGS_DIR": "/workspace/.lab/settings",
    "JUPYTERLAB_WORKSPACES_DIR": "/workspace/.lab/workspaces",
    "JUPYTERHUB_SINGLEUSER_EXTENSION": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def limits_of(settings: Settings) -> SessionLimits:
    """Return what one session may use in this installation."""
    return SessionLimits(
        bytes_in(settings.session_memory), settings.session_cpus, settings.session_processes,
        disk=bytes_in(settings.session_disk), kept_files=settings.session_files,
    )  # fmt: skip


def layout_of(settings: Settings, name: SessionName) -> SessionLayout:
    """Return where the session's folders lie in this installation."""
    return SessionLayout(settings.run_dir, settings.domain_dir("hub") / "workspaces", name)


def start_sandbox(
    sandbox: Sandbox, env: dict[str, str], log: Path, groups: Cgroups, **argv: Any
) -> subprocess.Popen[bytes]:
    """Start the sandbox's process with its limits in force. Its folders must be there."""
    joined = groups.create(sandbox.layout.name.sid, sandbox.limits) if groups.available else []
    scope = [] if groups.available else systemd_scope(sandbox.limits, os.environ)
    descriptor, output = seccomp.as_descriptor(), session_log.bounded(log)
    try:
        return subprocess.Popen(
            sandbox.argv(descriptor, groups=joined, scope=scope, **argv), env=env, cwd="/", pass_fds=(descriptor,),
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    finally:
        os.close(descriptor)
        os.close(output)


class EnclaveSpawner(LocalProcessSpawner):  # type: ignore[misc]
    """One session: a named server whose name is the project's id."""

    settings = AnyTrait(help="hvelv.kernel.settings.Settings of the installation").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.watch = RightsWatch()
        self.use: dict[str, Any] | None = None

    @property
    def session(self) -> SessionName:
        """Return whose session this is. Raises `ValueError` for the hub's default server, which is nobody's session."""
        return SessionName(self.user.name, self.name)

    @property
    def layout(self) -> SessionLayout:
        """Return where the session's folders lie."""
        return layout_of(self.settings, self.session)

    @property
    def _groups(self) -> Cgroups:
        return Cgroups(self.settings.run_dir)

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add nothing of the host's accounts: people have none."""
        return env

    def get_env(self) -> dict[str, str]:
        """Return the session's environment: what the hub's protocol needs and nothing of the hub's own."""
        env = super().get_env()
        for name in self.env_keep:
            env.pop(name, None)
        activity = f"{HUB_API}/users/{self.user.escaped_name}/activity"
        author = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", self.user.name), ("EMAIL", f"{self.user.name}@enclave"))
        }
        own = (
            INSIDE
            | author
            | {
                "USER": self.user.name,
                "JUPYTERHUB_API_URL": HUB_API,
                "JUPYTERHUB_ACTIVITY_URL": activity,
                "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{UNUSED_PORT}{self.session.prefix}",
            }
        )
        return {key: str(value) for key, value in (env | own).items()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up nothing: sessions end with the hub that started them, and its process ids mean nothing now."""
        super(LocalProcessSpawner, self).load_state(state)

    def get_state(self) -> dict[str, Any]:
        """Keep nothing for a later hub; tell the portal, which asks by the hub's API, what the session uses now."""
        state = dict(super(LocalProcessSpawner, self).get_state())
        return state if self.proc is None else state | {"usage": self._usage(), "use": self.use}

    def _usage(self) -> dict[str, float | None]:
        limits = limits_of(self.settings)
        most = {"memory_limit": limits.memory, "cores_limit": limits.cpus, "processes_limit": limits.processes}
        return most | self.meter.read()

    async def _tell_gateway(self, method: str) -> None:
        async with asking(control_socket(self.settings.run_dir), seconds=15) as client:
            (await client.request(method, f"/sessions/{self.session.sid}")).raise_for_status()

    async def _look_at_use(self) -> None:
        """Ask the gateway when the session was last used; the portal is told, and closes what is not. What it does not tell is not known."""
        try:
            async with asking(control_socket(self.settings.run_dir), seconds=5) as client:
                told = (await client.get(f"/sessions/{self.session.sid}/use")).raise_for_status().json()
            at = datetime.now(UTC) - timedelta(seconds=told["unused"])
            self.use = {"at": at.isoformat(), "busy": bool(told["busy"])}
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            self.use = None

    async def _grant(self) -> None:
        """Go on only if the custodian says yes now."""
        try:
            await GrantDoor(self.settings.custodian_socket("enclave")).ask(self.session)
        except NoGrant:
            raise CannotConfineError("there is no valid permit for this person in this project") from None
        except NoAnswer:
            raise CannotConfineError("the custodian does not answer, so no session is opened") from None
        self.watch = RightsWatch()
        self.watch.granted(time.monotonic())

    async def start(self) -> str:
        """Start the session and return the gateway's address, the same for all: it knows sessions by their path."""
        root = os.geteuid() == 0
        if missing := missing_tools(root=root):
            raise CannotConfineError(f"sessions need programs that are not installed: {', '.join(missing)}")
        environment = self.settings.session_environment.absolute()
        check_environment(environment)
        await self._grant()
        uid, group = self._numbers() if root else (None, None)
        limits = limits_of(self.settings)
        try:
            await asyncio.to_thread(self._make_rooms, limits, uid, group)
            await self._tell_gateway("PUT")
            self.port = self.settings.gateway_port
            sandbox = Sandbox(self.layout, limits, environment, uid, group)
            self.meter = Meter(self._groups, self.session.sid)
            self.use = None
            self.proc = start_sandbox(sandbox, self.get_env(), self.layout.home / "log", self._groups)
        except BaseException:
            await self._leave_nothing()
            raise
        self.pid = self.proc.pid
        self.log.info("session %s starts", self.session.sid)
        return f"http://127.0.0.1:{self.settings.gateway_port}"

    def _make_rooms(self, limits: SessionLimits, uid: int | None, group: int | None) -> None:
        with ROOMS:
            try:
                limited = disks.attach(self.layout, limits)
            except disks.DiskError as error:
                raise CannotConfineError(str(error)) from None
            make_folders(self.layout, uid, group)
        if not limited:
            self.log.warning("session %s: its workspace has no disk of its own: see hvelv doctor", self.session.sid)

    def _put_away(self) -> None:
        with ROOMS:
            remove_folders(self.layout)
            disks.detach(self.layout, shared=not open_in(self.settings.run_dir, self.session.project))

    def _numbers(self) -> tuple[int, int]:
        table = UidTable(self.settings.domain_dir("hub") / "session-uids.json", self.settings.session_uid_base)
        return table.uid_of(self.session), table.group_of(self.session.project)

    async def poll(self) -> int | None:
        """Return None while the session runs and may run; end it at once when its right has ended.

        The spawner's state is left for the hub to clear: with it goes the session's token, and the hub must still know
        the token to revoke it. (LocalProcessSpawner clears it here, and leaves a valid token behind.)
        """
        if self.proc is None:
            return 0
        status: int | None = self.proc.poll()
        if status is not None:
            self.proc = None  # type: ignore[assignment]
            # what it wrote is not repeated here: in there, whoever works with the data decides what that is
            self.log.warning("session %s ended by itself, status %s", self.session.sid, status)
            await self._leave_nothing()
            return status
        door = GrantDoor(self.settings.custodian_socket("enclave"))
        if await door.check(self.session, self.watch, time.monotonic()):
            await self._look_at_use()
            return None
        self.log.warning("session %s has no right to go on and is ended", self.session.sid)
        await self.stop(now=True)
        return STOPPED_FOR_RIGHTS

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the hub's signature
        """End the session; nothing of it survives. Killing the outermost process takes the namespace with it."""
        if self.proc is not None:
            process: subprocess.Popen[bytes] = self.proc
            self.proc = None  # type: ignore[assignment]
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait, self.kill_timeout)
        await self._leave_nothing()

    async def _leave_nothing(self) -> None:
        sid = self.session.sid
        if self._groups.available:
            if not await asyncio.to_thread(self._groups.kill, sid):
                self.log.error("session %s: processes that could not be killed", sid)
            await asyncio.to_thread(self._groups.remove, sid)
        try:
            await self._tell_gateway("DELETE")
        except httpx.HTTPError as error:
            self.log.warning("session %s: the gateway was not told of its end (%s)", sid, type(error).__name__)
        await asyncio.to_thread(self._put_away)
