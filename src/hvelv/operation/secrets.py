"""The installation's secrets, made at first start: which there are, and which domains hold each.

Never printed and never in an argument list. A secret that two processes share (a password and who checks it) is
written into both folders from one value.
"""

import base64
import secrets as random
from collections.abc import Callable, Mapping

from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings
from hvelv.kernel.signing import Signer
from hvelv.operation.domains import CUSTODIAN, HUB, OPERATION, PORTAL, PREFECT, STORE, give, user_of

PUBLIC = 0o644


def _token() -> str:
    return random.token_urlsafe(32)


def _key() -> str:
    """Return 32 random bytes, base64url with padding: what key-wrapping libraries read."""
    return base64.urlsafe_b64encode(random.token_bytes(32)).decode()


def _hex() -> str:
    return random.token_hex(32)


def _basic() -> str:
    """Return a user and password for HTTP basic authentication."""
    return f"hvelv:{_token()}"


def _access_key() -> str:
    return "HVELV" + random.token_hex(8).upper()


def _signing_key() -> str:
    return Signer.generate().pem().decode()


SECRETS: Mapping[str, tuple[Callable[[], str], tuple[str, ...]]] = {
    "signing.pem": (_signing_key, (CUSTODIAN,)),
    "kek": (_key, (CUSTODIAN,)),
    "store_access_key": (_access_key, (CUSTODIAN, STORE)),
    "store_secret_key": (_token, (CUSTODIAN, STORE)),
    "store_sse_key": (_hex, (STORE,)),
    "store_sts_key": (_key, (STORE,)),
    "store_jwt_volume_write": (_token, (STORE,)),
    "store_jwt_volume_read": (_token, (STORE,)),
    "store_jwt_filer_write": (_token, (STORE,)),
    "store_jwt_filer_read": (_token, (STORE,)),
    "prefect_auth": (_basic, (CUSTODIAN, PREFECT)),
    "cookie": (_hex, (HUB,)),
    "proxy_token": (_hex, (HUB,)),
    "oauth_secret": (_token, (HUB,)),
    "portal_api_token": (_hex, (HUB, PORTAL)),
    "session_key": (_token, (PORTAL,)),
    "supervisor_password": (_token, (OPERATION,)),
}
"""Name → how it is made, and the domains that hold it."""


def ensure_secrets(settings: Settings) -> None:
    """Make the secrets that are missing, and publish the custodian's public key. Existing ones are left alone."""
    for name, (make, domains) in SECRETS.items():
        folders = [Secrets(settings.secrets_dir(domain)) for domain in domains]
        held = next((folder.read(name) for folder in folders if folder.path(name).exists()), None)
        value = held if held is not None else make()
        for folder in folders:
            folder.ensure(name, value)
    for domain in {domain for _make, domains in SECRETS.values() for domain in domains}:
        give(settings.secrets_dir(domain), user_of(settings, domain))
    _publish_key(settings)


def _publish_key(settings: Settings) -> None:
    pem = Signer.load(settings.secrets_dir(CUSTODIAN) / "signing.pem").verifier.pem()
    path = settings.public_key
    if path.exists() and path.read_bytes() == pem:
        return
    part = path.with_suffix(".part")
    part.write_bytes(pem)
    part.chmod(PUBLIC)
    part.replace(path)
