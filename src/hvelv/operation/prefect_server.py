"""The workflow server (Prefect): one managed server on loopback with its own database, a password, and no telemetry."""

from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings
from hvelv.operation.domains import PREFECT
from hvelv.operation.environment import QUIET

HEARTBEAT_SECONDS = 30


def prefect_environment(settings: Settings, domain: str) -> dict[str, str]:
    """Return what a process of `domain` needs in its environment before it imports prefect, server or client."""
    home = settings.domain_dir(domain) / "prefect"
    password = Secrets(settings.secrets_dir(domain)).read("prefect_auth")
    common = QUIET | {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": f"http://127.0.0.1:{settings.prefect_port}/api",
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    if domain != PREFECT:
        return common
    return common | {
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'server.sqlite'}",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }


def serve(settings: Settings) -> None:
    """Run the server until asked to stop."""
    (settings.domain_dir(PREFECT) / "prefect").mkdir(exist_ok=True)
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(
        create_app(final=True),
        host="127.0.0.1",
        port=settings.prefect_port,
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
    )
