"""The environment that a process is started with: its own settings, no others' secrets, and nothing that calls home."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from hvelv.kernel.settings import Settings
from hvelv.operation.domains import CUSTODIAN, PORTAL

MARKER = "HVELV_INSTALLATION"
"""Names the data folder in the environment of everything that was started for it, so that leftovers can be found."""

CONFIDENTIAL: Mapping[str, str] = {
    "registry_database": PORTAL,
    "custodian_database": CUSTODIAN,
    "store_access_key": CUSTODIAN,
    "store_secret_key": CUSTODIAN,
}
"""Settings that hold passwords, and the only domain that is told them."""

PATHS = ("data_dir", "session_environment", "node_prefix")

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}

KEPT = ("TZ", "LD_LIBRARY_PATH", "HVELV_TEST_MARK")
"""What is passed on from the operator's shell."""


def environment(settings: Settings, domain: str) -> dict[str, str]:
    """Return the whole environment of a process of `domain`."""
    home = settings.domain_dir(domain)
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **settings_environment(settings, domain),
        **QUIET,
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "USER": f"hvelv-{domain}",
        "LOGNAME": f"hvelv-{domain}",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        MARKER: str(settings.root),
    }


def settings_environment(settings: Settings, domain: str) -> dict[str, str]:
    """Return the effective settings as `HVELV_*` variables, paths made absolute, without others' passwords."""
    fields = (*(name for name in PATHS), *(name for name in settings.model_fields_set if name not in PATHS))
    told = [name for name in fields if CONFIDENTIAL.get(name, domain) == domain]
    return {f"HVELV_{name.upper()}": _text(getattr(settings, name)) for name in told}


def _text(value: object) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple):
        return json.dumps([_text(one) for one in value])
    return str(value).lower() if isinstance(value, bool) else str(value)
