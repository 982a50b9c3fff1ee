"""What a session's server says: when a limit is met, and that a cell runs. Read from /etc/jupyter, where the session cannot change it.

All of this is for the one who works in the session; nothing outside relies on it.
"""

import asyncio
import errno
from contextlib import closing
from signal import SIGKILL
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
INSUFFICIENT_STORAGE = 507
DISK_FULL = "Ikke lagret: arbeidsområdet er fullt. Slett filer du ikke trenger, og lagre på nytt."
TOO_MUCH_OUTPUT = (
    "Cellen skriver ut mer enn nettleseren kan ta imot, så resten vises ikke. "
    "Vis et utdrag, for eksempel med .head(), eller skriv til en fil i arbeidsområdet.\n"
)
OUT_OF_MEMORY = (
    "Kjernen ble stanset og startes på nytt. Vanligste grunn: arbeidsøkten brukte mer minne enn den har. Variabler er borte, "
    "filer er der ennå. Les færre kolonner eller rader om gangen, eller slett store tabeller med del.\n"
)
WAY_OUT = "/run/egress/hub.sock"
WORKS = b"POST /session/works HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WORKS_EVERY = 30_000  # milliseconds; one word holds three times as long
STOPPED = "Kjernen stoppet av seg selv og startes på nytt. Variabler er borte, filer er der ennå.\n"


class RoomContents(AsyncLargeFileManager):  # type: ignore[misc]
    """The workspace's files; a save that finds no room is refused with a sentence."""

    async def save(self, model: dict[str, Any], path: str = "") -> Any:
        """Save, or say that the workspace is full."""
        try:
            return await super().save(model, path)
        except Exception as error:
            cause: BaseException | None = error
            while cause is not None and getattr(cause, "errno", None) not in FULL:
                cause = cause.__cause__ or cause.__context__
            if cause is None:
                raise
            raise HTTPError(INSUFFICIENT_STORAGE, DISK_FULL, reason="Insufficient Storage") from None


class RoomChannels(ZMQChannelsWebsocketConnection):  # type: ignore[misc]
    """A notebook's connection; the cell that met a limit is told which."""

    running: Any = None

    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        limited = bool(super()._limit_rate(channel, msg, msg_list))
        content = msg.get("content")
        if channel == "iopub" and isinstance(content, dict) and content.get("execution_state") == "busy":
            parent = self.get_part("parent_header", msg["parent_header"], msg_list)
            if parent.get("msg_type") == "execute_request":
                self.running = parent
        return limited

    def write_stderr(self, error_message: str, parent_header: Any) -> None:
        """Write to the cell's output; what the server's own advice would be cannot be followed here."""
        super().write_stderr(TOO_MUCH_OUTPUT if "rate exceeded" in error_message else error_message, parent_header)

    def on_kernel_restarted(self) -> None:
        """Say why before the notebook forgets which cell was running."""
        if self.running is not None:
            process = getattr(self.multi_kernel_manager.get_kernel(self.kernel_id).provisioner, "process", None)
            killed = getattr(process, "returncode", None) == -SIGKILL
            self.write_stderr(OUT_OF_MEMORY if killed else STOPPED, self.running)
        super().on_kernel_restarted()


class RoomKernels(AsyncMappingKernelManager):  # type: ignore[misc]
    """The kernels. While a cell runs, also with no page open, the session is not taken for unused and closed."""

    saying: Any = None

    def start_watching_activity(self, kernel_id: str) -> None:
        """Watch a kernel, and from the first one on say now and then that a cell runs."""
        super().start_watching_activity(kernel_id)
        if self.saying is None:
            self.saying = PeriodicCallback(self.say_works, WORKS_EVERY)
            self.saying.start()

    async def say_works(self) -> None:
        """Say that a cell runs, if one does."""
        if not any(getattr(kernel, "execution_state", "") == "busy" for kernel in self._kernels.values()):
            return
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(WAY_OUT), 5)
            with closing(writer):
                writer.write(WORKS)
                await asyncio.wait_for(reader.read(), 5)
        except OSError:  # TimeoutError is one
            self.log.warning("nobody was told that a cell runs; tried again")


c = get_config()  # type: ignore[name-defined]  # noqa: F821 - given by traitlets
c.ServerApp.contents_manager_class = RoomContents
c.ServerApp.kernel_manager_class = RoomKernels
c.ServerApp.kernel_websocket_connection_class = RoomChannels
c.FileContentsManager.delete_to_trash = False  # the bin would count as full, and nothing empties it
c.ZMQChannelsWebsocketConnection.limit_rate = True
c.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 1000
c.ZMQChannelsWebsocketConnection.iopub_data_rate_limit = 4_000_000  # bytes a second: some large figures at once
c.ZMQChannelsWebsocketConnection.rate_limit_window = 3
