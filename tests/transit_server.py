"""A small server that speaks the transit engine's HTTP API: enough to hold our client to it, over real HTTP.

Written from the API's documentation, its inconveniences included: encrypting with a name that is not there makes a key,
a key is only deleted once its configuration allows it, and a failed decryption is 400.
"""

import base64
import json
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "s.a-token-that-is-nobodys"


@dataclass
class Engine:
    """The keys, each a list of versions, and what was asked."""

    keys: dict[str, list[bytes]] = field(default_factory=dict)
    deletable: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, parts: list[str], body: dict) -> tuple[int, dict]:  # noqa: C901, PLR0911 - a table
        match method, parts:
            case "LIST", ["keys"]:
                return (200, {"data": {"keys": sorted(self.keys)}}) if self.keys else (404, {"errors": []})
            case "GET", ["keys", name]:
                return (200, {"data": self._shown(name)}) if name in self.keys else (404, {"errors": []})
            case (("POST" | "PUT"), ["keys", name]):
                assert (body.get("type"), body.get("derived")) == ("aes256-gcm96", False)
                self.keys.setdefault(name, [os.urandom(32)])
                return 200, {"data": self._shown(name)}
            case (("POST" | "PUT"), ["keys", name, "config"]):
                if body.get("deletion_allowed"):
                    self.deletable.add(name)
                return 200, {"data": self._shown(name)}
            case (("POST" | "PUT"), ["keys", name, "rotate"]):
                self.keys[name].append(os.urandom(32))
                return 200, {"data": self._shown(name)}
            case "DELETE", ["keys", name]:
                if name not in self.keys or name not in self.deletable:
                    return 400, {"errors": ["error deleting policy: deletion is not allowed for this policy"]}
                del self.keys[name]
                self.deletable.discard(name)
                return 204, {}
            case (("POST" | "PUT"), ["encrypt", name]):
                versions = self.keys.setdefault(name, [os.urandom(32)])
                nonce, plain, bound = os.urandom(12), *_decoded(body, "plaintext", "associated_data")
                sealed = base64.b64encode(nonce + AESGCM(versions[-1]).encrypt(nonce, plain, bound)).decode()
                return 200, {"data": {"ciphertext": f"vault:v{len(versions)}:{sealed}", "key_version": len(versions)}}
            case (("POST" | "PUT"), ["decrypt", name]):
                return self._decrypted(name, body)
        return 404, {"errors": []}

    def _decrypted(self, name: str, body: dict) -> tuple[int, dict]:
        if name not in self.keys:
            return 400, {"errors": ["encryption key not found"]}
        try:
            _vault, version, sealed = body["ciphertext"].split(":")
            data = base64.b64decode(sealed, validate=True)
            (bound,) = _decoded(body, "associated_data")
            plain = AESGCM(self.keys[name][int(version[1:]) - 1]).decrypt(data[:12], data[12:], bound)
        except (InvalidTag, ValueError, IndexError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}

    def _shown(self, name: str) -> dict:
        return {
            "name": name,
            "type": "aes256-gcm96",
            "latest_version": len(self.keys[name]),
            "deletion_allowed": name in self.deletable,
        }


def _decoded(body: dict, *names: str) -> list[bytes]:
    return [base64.b64decode(body[name], validate=True) for name in names]


@contextmanager
def transit_server():
    """Yield the engine and the server's address."""
    engine = Engine()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}") or {}
            engine.asked.append((self.command, self.path))
            parts = self.path.split("?")[0].strip("/").split("/")
            if self.headers.get("X-Vault-Token") != TOKEN:
                status, answer = 403, {"errors": ["permission denied"]}
            elif parts[:2] != ["v1", "transit"]:
                status, answer = 404, {"errors": ["no handler for route"]}
            else:
                status, answer = engine.answer(self.command, parts[2:], body)
            data = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_LIST = _serve  # noqa: N815 - the library's names

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield engine, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
