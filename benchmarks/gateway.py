"""What the proxy and the gateway cost a websocket: 100 MB of kernels' messages through both, and straight to the session's socket.

The session's server is a stand-in that sends messages as a kernel does, so that nothing but the road is measured. By
turns, in one run. Prints one JSON line. Run: python benchmarks/gateway.py [ROUNDS]
"""

import argparse
import asyncio
import json
import secrets
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web

from hvelv.enclave.adapters.gateway import serve
from hvelv.enclave.adapters.hub_config import proxy_command
from hvelv.enclave.adapters.rooms import control_socket, make_folders
from hvelv.enclave.adapters.spawner import layout_of
from hvelv.enclave.adapters.traffic import TrafficLog
from hvelv.enclave.domain.kernel_messages import V1, written
from hvelv.enclave.domain.sessions import SessionName
from hvelv.kernel.settings import Settings

NAME = SessionName("bench", "p-bench")
MESSAGE, MESSAGES = 1 << 20, 100
CHANNELS = NAME.prefix + "api/kernels/1/channels"
HEADS = {"header": {"msg_id": "1", "msg_type": "stream"}, "parent_header": {}, "metadata": {}}


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


async def session(request: web.Request) -> web.StreamResponse:
    """Answer each message with half of what is exchanged: as many large ones as are asked for."""
    ws = web.WebSocketResponse(protocols=[V1], max_msg_size=1 << 28)
    await ws.prepare(request)
    output = written("iopub", HEADS | {"content": {"name": "stdout", "text": "x" * MESSAGE}}, V1)
    async for message in ws:
        if message.type is aiohttp.WSMsgType.BINARY:
            await ws.send_bytes(output)
    return ws


async def custodian(_request: web.Request) -> web.Response:
    """Say yes to everything."""
    return web.json_response({"person": NAME.person, "project": NAME.project})


async def exchanged(client: aiohttp.ClientSession, url: str) -> float:
    """Exchange 100 messages of 1 MB with small questions; return the seconds."""
    question = written("shell", HEADS | {"content": {}}, V1)
    headers = {"Origin": url.partition("/user")[0]}
    async with client.ws_connect(url, protocols=[V1], max_msg_size=1 << 28, headers=headers) as ws:
        begun = time.perf_counter()
        for _message in range(MESSAGES):
            await ws.send_bytes(question)
        for _message in range(MESSAGES):
            answer = await ws.receive()
            if answer.type is not aiohttp.WSMsgType.BINARY or len(answer.data) < MESSAGE:
                raise RuntimeError(f"not what was sent: {answer.type}")
        return time.perf_counter() - begun


async def on_socket(handler: object, path: Path) -> web.AppRunner:
    """Serve one handler on a unix socket."""
    path.parent.mkdir(parents=True, exist_ok=True)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    return runner


async def proxied(settings: Settings, token: str) -> asyncio.subprocess.Process:
    """Start the hub's proxy with the one route."""
    process = await asyncio.create_subprocess_exec(
        *proxy_command(settings), "--ip", "127.0.0.1", "--port", str(settings.hub_port), "--api-ip", "127.0.0.1",
        "--api-port", str(settings.proxy_api_port), "--default-target", f"http://127.0.0.1:{settings.gateway_port}",
        env={"CONFIGPROXY_AUTH_TOKEN": token, "PATH": "/usr/bin:/bin"}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    for _attempt in range(600):
        try:
            _reader, writer = await asyncio.open_connection("127.0.0.1", settings.hub_port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return process
    raise TimeoutError("the proxy does not listen")


async def measured(settings: Settings, rounds: int) -> tuple[list[float], list[float]]:
    """Return seconds straight and through the road, by turns. Each round is a session of its own hour."""
    layout = layout_of(settings, NAME)
    control_socket(settings.run_dir).parent.mkdir(parents=True, mode=0o700)
    stop = asyncio.Event()
    with open("/dev/null", "w") as nowhere:  # noqa: ASYNC230, PTH123
        grants = await on_socket(custodian, settings.custodian_socket("enclave"))
        gateway = asyncio.create_task(serve(settings, stop, TrafficLog(nowhere)))
        proxy = await proxied(settings, secrets.token_hex())
        control = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(control_socket(settings.run_dir))))
        straight, through = [], []
        try:
            for _round in range(rounds):
                make_folders(layout, None)
                server = await on_socket(session, layout.server_socket)
                async with control.put(f"http://gateway/sessions/{NAME.sid}") as answer:
                    answer.raise_for_status()
                direct = aiohttp.UnixConnector(str(layout.server_socket))
                async with aiohttp.ClientSession(connector=direct) as client:
                    straight.append(await exchanged(client, f"http://session{CHANNELS}"))
                async with aiohttp.ClientSession() as client:
                    through.append(await exchanged(client, f"http://127.0.0.1:{settings.hub_port}{CHANNELS}"))
                await server.cleanup()
        finally:
            await control.close()
            proxy.terminate()
            await proxy.wait()
            stop.set()
            await gateway
            await grants.cleanup()
    return straight, through


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    rounds = parser.parse_args().rounds
    hub, api, gateway = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="hv") as folder:
        settings = Settings(
            data_dir=Path(folder) / "d",
            hub_port=hub,
            proxy_api_port=api,
            gateway_port=gateway,
            node_prefix=Path("build/node"),
        )
        straight, through = asyncio.run(measured(settings, rounds))
    result = {
        "bench": "gateway",
        "value": round(statistics.median(through), 3),
        "unit": "s for 100 MB of websocket messages through proxy and gateway",
        "ratio": round(statistics.median(t / s for t, s in zip(through, straight, strict=True)), 3),
        "against": "the same exchange straight with the session's socket",
        "goal": 1.5,
        "n": rounds,
        "straight_s": round(statistics.median(straight), 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
