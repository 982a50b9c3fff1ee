"""A `KeyCustodian` on the transit engine of HashiCorp Vault or OpenBao: one transit key for each project.

The engine's API as documented: https://developer.hashicorp.com/vault/api-docs/secret/transit and
https://openbao.org/api-docs/secret/transit/. What a key is bound to goes in `associated_data`. The engine's `rewrap`
does not take that (hashicorp/vault issue 29532), so keys are wrapped anew by decrypting and encrypting.
"""

import base64
import binascii
import hashlib
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from hvelv.kernel.errors import Denied, NotPossible, Unavailable, _
from hvelv.privacy.adapters.kek import wrong_key
from hvelv.privacy.service.custody import Place

KIND = "aes256-gcm96"
PREFIX = "hvelv-"
SECONDS = 10.0
GONE = 404
REFUSED = frozenset({401, 403})
BAD = 400


class Transit:
    """The transit engine mounted at `mount` of the server at `address`."""

    kind = "transit"

    def __init__(self, address: str, mount: str, token_file: Path, ca_file: Path | None = None) -> None:
        """Take where the server is. The token is read at each request, so that it can be renewed while we run."""
        self._token_file, self._mount = token_file, mount.strip("/")
        self._base = f"{address.rstrip('/')}/v1/{self._mount}/"
        self._verify = ssl.create_default_context(cafile=str(ca_file)) if ca_file else ssl.create_default_context()

    def wrap(self, group: str, key: bytes, context: str) -> bytes:
        """Return the engine's ciphertext. The key is made first, by name and type: encrypting must not make one."""
        name = _name(group)
        if self._found(name) is None:
            self._ask("POST", f"keys/{name}", {"type": KIND, "derived": False, "exportable": False})
        body = {"plaintext": _text(key), "associated_data": _text(_bound(group, context))}
        return str(self._data("POST", f"encrypt/{name}", body)["ciphertext"]).encode()

    def unwrap(self, group: str, wrapped: bytes, context: str) -> bytes:
        """Return the key."""
        name = _name(group)
        if not wrapped.startswith(b"vault:v") or not wrapped.isascii():
            raise wrong_key()
        if self._found(name) is None:
            raise NotPossible(_("Nøkkelen finnes ikke eller er slettet."), code="no-key")
        body = {"ciphertext": wrapped.decode(), "associated_data": _text(_bound(group, context))}
        try:
            return base64.b64decode(self._data("POST", f"decrypt/{name}", body)["plaintext"], validate=True)
        except binascii.Error:
            raise wrong_key() from None

    def destroy(self, group: str) -> Sequence[Place]:
        """Allow the deletion of the group's key, delete it, and see that it is gone."""
        name = _name(group)
        if self._found(name) is not None:
            self._ask("POST", f"keys/{name}/config", {"deletion_allowed": True})
            self._ask("DELETE", f"keys/{name}")
        gone = self._found(name) is None
        done = "transit key deleted with all its versions; the server's own backups are its operator's to destroy"
        return (Place("transit", f"{self._mount}/{name}", done, reached=gone),)

    def living(self) -> frozenset[str]:
        """Return the groups whose key the engine lists. Their names are kept in the key's own name."""
        answer = self._ask("LIST", "keys")
        names = answer.json()["data"]["keys"] if answer.status_code != GONE else []
        return frozenset(_group(name) for name in names if name.startswith(PREFIX))

    def begin_rotation(self) -> None:
        """Add a version to every key of ours."""
        for group in sorted(self.living()):
            self._data("POST", f"keys/{_name(group)}/rotate")

    def is_outdated(self, group: str, wrapped: bytes) -> bool:
        """Say whether an older version than the key's newest wrapped it."""
        found = self._found(_name(group))
        return found is not None and not wrapped.startswith(f"vault:v{found['latest_version']}:".encode())

    def finish_rotation(self) -> None:
        """Do nothing: the newest version is in force already; older ones still open what backups hold."""

    def wrapped_directly(self, wrapped: bytes) -> str:  # noqa: ARG002 - the contract's
        """Return nothing: there is no key-encryption key of ours."""
        return ""

    def in_use(self, fingerprint: str) -> bool:  # noqa: ARG002 - the contract's
        """Say no."""
        return False

    def state(self) -> str:
        """Return a fingerprint of the server's address and mount."""
        return hashlib.sha256(self._base.encode()).hexdigest()[:16]

    def _found(self, name: str) -> Mapping[str, Any] | None:
        answer = self._ask("GET", f"keys/{name}")
        return None if answer.status_code == GONE else dict(answer.json()["data"])

    def _data(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = self._ask(method, path, body)
        if answer.status_code == GONE:
            raise NotPossible(_("Nøkkelen finnes ikke eller er slettet."), code="no-key")
        return dict(answer.json().get("data") or {}) if answer.content else {}

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """Ask. No error says what was sent or answered: either may hold a key, and the header holds the token."""
        try:
            token = self._token_file.read_text().strip()
            headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
            with httpx.Client(verify=self._verify, trust_env=False, timeout=SECONDS) as client:
                answer = client.request(method, self._base + path, json=body, headers=headers)
        except (OSError, httpx.HTTPError, UnicodeError):
            raise _away() from None
        if answer.status_code in REFUSED:
            raise Denied(
                _("Nøkkeltjenesten godtar ikke plattformens adgangstegn."),
                remedy=_("Be drift om å se på adgangstegnet og reglene for det."),
                code="key-service-token",
            )
        if answer.status_code == BAD:
            raise wrong_key()
        if answer.status_code != GONE and not answer.is_success:
            raise _away()
        return answer


def _away() -> Unavailable:
    return Unavailable(_("Nøkkeltjenesten svarer ikke. Ingenting er gjort."), remedy=_("Prøv igjen om litt."))


def _name(group: str) -> str:
    """Return the key's name in the engine: only letters and digits, so that nothing in it is part of a path."""
    return PREFIX + group.encode().hex()


def _group(name: str) -> str:
    return bytes.fromhex(name.removeprefix(PREFIX)).decode()


def _bound(group: str, context: str) -> bytes:
    return f"{group}\n{context}".encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
