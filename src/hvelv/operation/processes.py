"""The platform's processes, as a table: what runs, in which trust domain, after what, and how one sees that it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hvelv.kernel.settings import Settings
from hvelv.operation import readiness
from hvelv.operation.domains import CUSTODIAN, GATEWAY, HUB, PORTAL, PREFECT, STORE
from hvelv.operation.readiness import Check


@dataclass(frozen=True)
class Process:
    """One process of the platform."""

    name: str
    domain: str
    runs: str
    """`module:function`, called with the settings. Imported only in the process itself."""
    check: Callable[[Settings], Check]
    needs: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    """The settings that name the ports it listens on."""
    patience: int = 180
    """Seconds it may take until it answers, on a slow and busy machine."""
    grace: int = 5
    """Seconds between being asked to stop and being killed. The last ones to stop have to fit below `DOWN_SECONDS`."""
    address: str = ""
    """The name of the settings property with the address that people use."""

    @property
    def foundation(self) -> bool:
        """Say whether others build on it while they stop, so that it has to stop after them."""
        return not self.needs


TABLE = (
    Process(
        "store",
        STORE,
        "hvelv.operation.store:serve",
        readiness.store,
        ports=("store_port", "store_internal_port"),
        grace=4,
    ),
    Process(
        "prefect",
        PREFECT,
        "hvelv.operation.prefect_server:serve",
        readiness.prefect,
        ports=("prefect_port",),
        patience=240,
        grace=4,
    ),
    Process("custodian", CUSTODIAN, "hvelv.operation.custodian:serve", readiness.custodian, needs=("store",)),
    Process(
        "worker",
        CUSTODIAN,
        "hvelv.operation.worker:serve",
        readiness.worker,
        needs=("custodian", "prefect"),
        patience=240,
    ),
    Process(
        "portal",
        PORTAL,
        "hvelv.portal.serve:serve",
        readiness.portal,
        needs=("custodian",),
        ports=("portal_port",),
        address="portal_url",
    ),
    Process(
        "gateway",
        GATEWAY,
        "hvelv.enclave.adapters.gateway:main",
        readiness.gateway,
        needs=("custodian",),
        ports=("gateway_port",),
    ),
    Process(
        "hub",
        HUB,
        "hvelv.operation.hub:serve",
        readiness.hub,
        needs=("custodian", "gateway"),
        ports=("hub_port", "hub_api_port", "proxy_api_port"),
        address="hub_url",
    ),
)


BY_NAME: Mapping[str, Process] = {process.name: process for process in TABLE}


def processes(settings: Settings, only: tuple[str, ...] = ()) -> tuple[Process, ...]:
    """Return the processes of an installation, in starting order; with `only`, those and what they need.

    With an S3 service of one's own (`store_endpoint`) there is no store process. Raises `KeyError` for an unknown name.
    """
    wanted = set(BY_NAME) if not only else set()
    for name in only:
        wanted |= {name} | _needed(name)
    if settings.store_endpoint:
        wanted.discard("store")
    return tuple(process for process in TABLE if process.name in wanted)


def _needed(name: str) -> set[str]:
    found: set[str] = set()
    for need in BY_NAME[name].needs:
        found |= {need} | _needed(need)
    return found
