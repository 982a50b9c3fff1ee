"""What `jupyterhub -f` reads: the installation's settings, made into the hub's configuration."""

from hvelv.enclave.adapters.hub_config import configure
from hvelv.kernel.settings import Settings

configure(get_config(), Settings())  # type: ignore[name-defined]  # noqa: F821 - the hub puts it here
