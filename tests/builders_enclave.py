"""A small installation of the enclave for tests: real hub, real proxy, real gateway, and stand-ins for portal and custodian."""

import asyncio
import contextlib
import html
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from hvelv.enclave.adapters import disks, seccomp
from hvelv.enclave.adapters.cgroups import Cgroups
from hvelv.enclave.adapters.rooms import control_socket, make_folders
from hvelv.enclave.adapters.sandbox import Sandbox, missing_tools
from hvelv.enclave.adapters.spawner import INSIDE, layout_of
from hvelv.enclave.domain.sessions import SessionLayout, SessionLimits, SessionName
from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings

ROOT = os.geteuid() == 0
REPO = Path(__file__).parents[1]
ENVIRONMENT = Path(os.environ.get("HVELV_SESSION_ENVIRONMENT", REPO / "build" / "session-env"))
NODE = Path(os.environ.get("HVELV_NODE_PREFIX", REPO / "build" / "node"))
PASSWORD, CODE = "riktig hest batteri", "123456"
UID = 345_000


def need(condition: object, what: str) -> None:
    """Skip with a clear message, or fail where everything must be there."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"the checks need {what}")
    pytest.skip(f"needs {what}")


def need_sandbox() -> None:
    need(not missing_tools(root=ROOT), "the programs " + ", ".join(missing_tools(root=ROOT)))
    need((ENVIRONMENT / ".lab").exists(), "a session environment: run scripts/session_environment.sh")


def need_hub() -> None:
    need_sandbox()
    need((NODE / "lib/node_modules/configurable-http-proxy").exists(), "the hub's proxy: run scripts/node_tools.sh")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@contextlib.contextmanager
def a_data_dir(mode: int = 0o700) -> Iterator[Path]:
    """A short path below a folder that only its owner can enter, which is the harder case."""
    outer = Path(tempfile.mkdtemp(prefix="hv", dir="/tmp"))
    outer.chmod(mode)
    try:
        yield outer / "d"
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def some_settings(data_dir: Path, **changes: Any) -> Settings:
    portal, hub, api, proxy, gateway = free_ports(5)
    given: dict[str, Any] = {
        "data_dir": data_dir, "portal_port": portal, "hub_port": hub, "hub_api_port": api, "proxy_api_port": proxy,
        "gateway_port": gateway, "session_environment": ENVIRONMENT, "node_prefix": NODE, "session_memory": "1G",
        "public_host": "127.0.0.1", "session_uid_base": UID,
    }  # fmt: skip
    return Settings(**(given | changes))


def as_environment(settings: Settings) -> dict[str, str]:
    wanted = settings.model_dump(exclude_defaults=True)
    return {f"HVELV_{key.upper()}": str(value) for key, value in wanted.items()}


# ---- a sandbox without a hub ---------------------------------------------------------------------------------------


@dataclass
class Ran:
    status: int
    out: str


@dataclass
class SandboxBench:
    """Runs a script inside a real sandbox of one person's session."""

    run_dir: Path
    limits: SessionLimits = field(default_factory=lambda: SessionLimits(512 << 20, 1.0, 100))

    def layout(self, person: str = "kari", project: str = "p-aaaaaaaaaa") -> SessionLayout:
        return SessionLayout(self.run_dir, self.run_dir.parent / "hub" / "workspaces", SessionName(person, project))

    def prepare(self, layout: SessionLayout, uid: int = UID, group: int | None = None) -> Sandbox:
        control_socket(self.run_dir).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        own, group = (uid, uid if group is None else group) if ROOT else (None, None)
        make_folders(layout, own, group)
        return Sandbox(layout, self.limits, ENVIRONMENT.absolute(), own, group)

    def start(self, sandbox: Sandbox, *command: str, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        groups = Cgroups(self.run_dir)
        joined = groups.create(sandbox.layout.name.sid, sandbox.limits) if groups.available else []
        descriptor = seccomp.as_descriptor()
        try:
            return subprocess.Popen(
                sandbox.argv(descriptor, groups=joined, command=command), env=INSIDE | (env or {}), pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(descriptor)

    def run(
        self, script: str, *, layout: SessionLayout | None = None, timeout: float = 60, sandbox: Sandbox | None = None
    ) -> Ran:
        """Run a Python script inside and return what it printed."""
        sandbox = sandbox or self.prepare(layout or self.layout())
        process = self.start(sandbox, "/opt/hvelv/env/bin/python", "-c", script)
        try:
            out, _ = process.communicate(timeout=timeout)
        finally:
            self.end(sandbox, process)
        return Ran(process.returncode, out)

    def end(self, sandbox: Sandbox, process: "subprocess.Popen[str]") -> None:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        groups = Cgroups(self.run_dir)
        if groups.available:
            groups.kill(sandbox.layout.name.sid)
            groups.remove(sandbox.layout.name.sid)

    def close(self) -> None:
        groups = Cgroups(self.run_dir)
        if groups.available:
            groups.remove_all()


@pytest.fixture(scope="module")
def bench() -> Iterator[SandboxBench]:
    """Sandboxes beside each other, for the tests of a file."""
    need_sandbox()
    with a_data_dir() as data_dir:
        bench = SandboxBench(data_dir / "run")
        yield bench
        bench.close()


# ---- stand-ins -----------------------------------------------------------------------------------------------------


class Servers:
    """aiohttp apps on a loop of their own in a thread, so that tests may be plain functions."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self._closers: list[Callable[[], Any]] = []

    def call(self, coroutine: Any, timeout: float = 60) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def on_socket(self, app: web.Application, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)

        async def start() -> web.AppRunner:
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.UnixSite(runner, str(path)).start()
            return runner

        runner = self.call(start())
        path.chmod(0o666)
        self._closers.append(runner.cleanup)

    def on_port(self, app: web.Application, port: int) -> None:
        async def start() -> web.AppRunner:
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            return runner

        self._closers.append(self.call(start()).cleanup)

    def close(self) -> None:
        for closer in reversed(self._closers):
            self.call(closer())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@dataclass
class FakeCustodian:
    """Says yes to the grants it was given, answers with the documents it was given, and keeps what reached its lab door."""

    grants: set[tuple[str, str]] = field(default_factory=set)
    documents: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)
    silent: bool = False
    broken: bool = False
    deaf: bool = False  # takes no other question
    seen: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/grants/{person}/{project}", self._grant)
        app.router.add_route("*", "/{path:.*}", self._any)
        return app

    async def _grant(self, request: web.Request) -> web.Response:
        self.asked += 1
        person, project = request.match_info["person"], request.match_info["project"]
        if self.broken:
            return web.json_response({"oops": True}, status=500)
        if (person, project) not in self.grants:
            return web.json_response({"code": "denied", "message": "Nei.", "remedy": "", "params": {}}, status=403)
        body = {"project": project, "title": "T", "person": person, "permit_version": 1, "expires": "2030-01-01"}
        return web.json_response(body)

    async def _any(self, request: web.Request) -> web.Response:
        if self.deaf:
            return web.json_response({"oops": True}, status=500)
        self.seen.append(
            {
                "path": request.raw_path,
                "method": request.method,
                "headers": [(k.lower(), v) for k, v in request.headers.items()],
                "body": await request.read(),
            }
        )
        if self.silent and request.transport:
            request.transport.close()
        if request.path in self.refused:
            return web.json_response(self.refused[request.path], status=403)
        return web.json_response(self.documents.get(request.path, {"ok": True, "title": "Prosjektet"}))


class FakePortal:
    """Knows everybody, with one password and one code."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/sign-in", self._sign_in)
        return app

    async def _sign_in(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        if (body["password"], body["otp"]) != (PASSWORD, CODE):
            return web.json_response({"code": "denied", "message": "Nei.", "remedy": "", "params": {}}, status=403)
        return web.json_response({"person": body["person"], "name": body["person"].title()})


# ---- the whole -----------------------------------------------------------------------------------------------------


@dataclass
class Installation:
    settings: Settings
    servers: Servers
    custodian: FakeCustodian
    portal: FakePortal
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def hub(self) -> str:
        return f"http://127.0.0.1:{self.settings.hub_port}"

    @property
    def hub_api(self) -> str:
        return f"http://127.0.0.1:{self.settings.hub_api_port}/hub/api"

    def log_of(self, name: str) -> str:
        return (self.settings.root / f"{name}.log").read_text(errors="replace")

    def start(self, name: str, argv: Sequence[str], **popen: Any) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.settings.root), "LANG": "C.UTF-8"} | as_environment(
            self.settings
        )
        if "PYTHONPATH" in os.environ:  # a copy with a planted defect
            env["PYTHONPATH"] = os.environ["PYTHONPATH"]
        with (self.settings.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv,
                env=env,
                cwd=self.settings.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **popen,
            )

    def start_gateway(self, **popen: Any) -> None:
        code = "from hvelv.enclave.adapters.gateway import main; from hvelv.kernel.settings import Settings; main(Settings())"
        self.start("gateway", [sys.executable, "-c", code], **popen)
        wait_for(lambda: control_socket(self.settings.run_dir).exists(), 30, lambda: self.log_of("gateway"))

    def start_hub(self) -> None:
        from hvelv.enclave.adapters.hub_config import command

        self.start("hub", command())
        wait_for(lambda: self._answers(f"{self.hub}/hub/api"), 60, lambda: self.log_of("hub"))

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self, name: str, *, kill: bool = False) -> None:
        process = self.processes.pop(name)
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def as_portal(self, method: str, path: str, **more: Any) -> httpx.Response:
        token = Secrets(self.settings.secrets_dir("hub")).read("portal_api_token")
        return httpx.request(
            method, self.hub_api + path, headers={"Authorization": f"token {token}"}, timeout=60, **more
        )

    def server_state(self, person: str, project: str) -> dict[str, Any]:
        body = self.as_portal("GET", f"/users/{person}?include_stopped_servers").json()
        return dict(body.get("servers", {}).get(project, {}))

    def open_session(self, person: str, project: str, seconds: float = 180) -> float:
        """Start a session as the portal does, wait until it is ready, and return how long that took."""
        begun = time.monotonic()
        answer = self.as_portal("POST", f"/users/{person}/servers/{project}")
        assert answer.status_code in {201, 202}, answer.text + self.log_of("hub")[-3000:]
        wait_for(lambda: self.server_state(person, project).get("ready"), seconds, lambda: self.log_of("hub")[-6000:])
        return time.monotonic() - begun

    def close(self) -> None:
        for name in ("hub", "gateway"):
            if name in self.processes:
                self.stop(name)
        self.servers.close()
        groups = Cgroups(self.settings.run_dir)
        if groups.available:
            groups.remove_all()
        disks.detach_all(self.settings.domain_dir("hub") / "workspaces")


def wait_for(condition: Callable[[], object], seconds: float, explain: Callable[[], str] = lambda: "") -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    pytest.fail(f"did not happen in {seconds} s. {explain()}")


@contextlib.contextmanager
def an_installation(data_dir: Path, **changes: Any) -> Iterator[Installation]:
    """Stand-ins, secrets and folders; hub and gateway are started by the test."""
    settings = some_settings(data_dir, **changes)
    settings.run_dir.mkdir(parents=True)
    hub_secrets = Secrets(settings.secrets_dir("hub"))
    for name in ("cookie", "proxy_token", "portal_api_token"):
        hub_secrets.ensure(name, secrets.token_hex(32))
    made = Installation(settings, Servers(), FakeCustodian(), FakePortal())
    try:
        made.servers.on_socket(made.custodian.app(), settings.custodian_socket("enclave"))
        made.servers.on_socket(made.portal.app(), settings.run_dir / "portal-internal" / "sock")
        yield made
    finally:
        made.close()


@dataclass
class Browser:
    """Signs in and asks as a browser would: cookies, XSRF, and the headers that browsers add."""

    at: Installation
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.at.hub, follow_redirects=False, timeout=60)

    def sign_in(self, person: str, password: str = PASSWORD, code: str = CODE) -> httpx.Response:
        page = self.client.get("/hub/login")
        token = html.unescape(re.search(r'name="_xsrf"\s+value="([^"]*)"', page.text)[1])  # type: ignore[index]
        form = {"username": person, "password": password, "otp": code, "_xsrf": token}
        return self.client.post("/hub/login", data=form)

    def get(self, path: str, *, dest: str = "iframe", **headers: str) -> httpx.Response:
        """Follow redirects on the hub's own origin only."""
        for _ in range(12):
            answer = self.client.get(path, headers={"Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "same-origin"} | headers)
            location = answer.headers.get("location", "")
            if answer.status_code not in {301, 302, 303, 307} or (
                location.startswith("http") and not location.startswith(self.at.hub)
            ):
                return answer
            path = location.removeprefix(self.at.hub)
        pytest.fail("redirected without end")

    def enter(self, person: str, project: str) -> httpx.Response:
        """Open the session's JupyterLab as the portal's frame does."""
        return self.get(f"/user/{person}/{project}/lab")

    def xsrf(self, prefix: str) -> str:
        return next((c.value or "" for c in self.client.cookies.jar if c.name == "_xsrf" and c.path == prefix), "")

    def api(self, method: str, prefix: str, path: str, **more: Any) -> httpx.Response:
        headers = {"X-XSRFToken": self.xsrf(prefix), "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
        return self.client.request(method, prefix + path, headers=headers | more.pop("headers", {}), **more)

    def cookie_header(self, path: str) -> str:
        request = self.client.build_request("GET", path)
        return str(request.headers.get("cookie", ""))

    @contextlib.contextmanager
    def running(self, prefix: str, code: str) -> Iterator[tuple[str, Any]]:
        """Start a kernel and have it run `code`; give its id, and the websocket on which it answers. It is left running."""
        from websockets.sync.client import connect

        kernel = self.api("POST", prefix, "api/kernels", json={"name": "python3"})
        assert kernel.status_code == 201, kernel.text
        kid = kernel.json()["id"]
        url = f"ws://127.0.0.1:{self.at.settings.hub_port}{prefix}api/kernels/{kid}/channels?session_id=t"
        headers = {"Cookie": self.cookie_header(prefix), "Origin": self.at.hub}
        header = {
            "msg_id": "m1",
            "msg_type": "execute_request",
            "session": "t",
            "username": "",
            "version": "5.3",
            "date": "",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        with connect(url, additional_headers=headers, max_size=None) as ws:
            ws.send(json.dumps(message))
            yield kid, ws

    def run_code(self, prefix: str, code: str, timeout: float = 60) -> str:
        """Start a kernel, run `code` over its websocket, stop the kernel, return what it printed."""
        printed = []
        with self.running(prefix, code) as (kid, ws):
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                message = json.loads(ws.recv(timeout=timeout))
                if message["content"].get("execution_state") in {"restarting", "dead"}:
                    break
                if message["parent_header"].get("msg_id") != "m1":
                    continue
                kind, body = message["header"]["msg_type"], message["content"]
                if kind == "stream":
                    printed.append(body["text"])
                if kind == "error":
                    printed.append("\n".join([body["ename"], body["evalue"], *body["traceback"]]))
                if kind == "status" and body["execution_state"] == "idle":
                    break
        self.api("DELETE", prefix, f"api/kernels/{kid}")
        return "".join(printed)


@contextlib.contextmanager
def a_hub(*grants: tuple[str, str]) -> Iterator[Installation]:
    """An installation whose gateway and hub run, and people with their projects."""
    need_hub()
    with a_data_dir() as data_dir, an_installation(data_dir) as installation:
        installation.custodian.grants |= set(grants)
        installation.start_gateway()
        installation.start_hub()
        yield installation


def workspace_of(at: Installation, person: str, project: str) -> Path:
    return layout_of(at.settings, SessionName(person, project)).workspace
