"""The hub's process: JupyterHub with the enclave's configuration; it starts node's proxy itself."""

import os

from hvelv.kernel.settings import Settings
from hvelv.operation.domains import HUB


def serve(settings: Settings) -> None:
    """Become JupyterHub, in the hub's own folder."""
    from hvelv.enclave.adapters.hub_config import command

    os.chdir(settings.domain_dir(HUB))
    argv = command()
    os.execv(argv[0], argv)  # noqa: S606 - the list is ours
