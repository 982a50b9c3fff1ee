"""Serving several web apps from one process: on unix sockets and TCP ports, stopped together."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

GRACE_SECONDS = 3


@dataclass(frozen=True)
class Door:
    """One app and where it listens: a socket, or host and port."""

    app: Any
    socket: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0


class _Server(uvicorn.Server):
    """A server that leaves signals to the process around it."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


def _server(door: Door) -> _Server:
    where: dict[str, Any] = {"uds": str(door.socket)} if door.socket else {"host": door.host, "port": door.port}
    if door.socket:
        door.socket.unlink(missing_ok=True)  # left by a process that was killed
    config = uvicorn.Config(
        door.app,
        **where,
        log_level="warning",
        access_log=False,  # addresses may hold links' tokens
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return _Server(config)


async def _serve(doors: Sequence[Door]) -> None:
    servers = [_server(door) for door in doors]
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    # When one cannot listen any more, the process ends and the supervisor starts it again.
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop()
    await asyncio.gather(*tasks)


def serve(doors: Sequence[Door]) -> None:
    """Serve until asked to stop (SIGTERM or SIGINT)."""
    asyncio.run(_serve(doors))
