"""Puts the services together with their adapters: the one place where that is chosen for privacy."""

from dataclasses import dataclass
from pathlib import Path

from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.ids import IdSource
from hvelv.kernel.objects import ObjectStore
from hvelv.kernel.signing import Signer
from hvelv.privacy.adapters.aggregate import StreamingAggregator
from hvelv.privacy.adapters.extraction import ParquetExtractor
from hvelv.privacy.adapters.ledger import SqlLedger
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.adapters.objecting import BlockEncryptor
from hvelv.privacy.adapters.reading import CachedExtracts
from hvelv.privacy.adapters.rows import SqlExtracts, SqlJobs, SqlKeys, SqlOptOuts
from hvelv.privacy.service.accounts import Accounts
from hvelv.privacy.service.desk import Desk
from hvelv.privacy.service.extraction import Extraction, ExtractRegistry
from hvelv.privacy.service.jobs import Jobs
from hvelv.privacy.service.keys import KeyCustodian, Keys
from hvelv.privacy.service.optouts import OptOuts
from hvelv.privacy.service.projects import ProjectPrivacy
from hvelv.privacy.service.releases import Engine, PermitCheck, Releases, VersionSource


@dataclass(frozen=True)
class Surroundings:
    """What the custodian's process brings along."""

    database: Database
    store: ObjectStore
    signer: Signer
    kek: KeyCustodian
    permits: PermitCheck
    versions: VersionSource
    clock: Clock
    ids: IdSource
    cache: Path
    delta: float
    code_version: str


def desk(around: Surroundings, *, ledger: SqlLedger | None = None) -> Desk:
    """Return privacy's services, working."""
    database, clock = around.database, around.clock
    noise = OpenDPNoise()
    keys = Keys(database, SqlKeys(), around.kek, clock)
    optouts = OptOuts(database, SqlOptOuts(), keys, BlockEncryptor(), clock)
    accounts = Accounts(database, ledger or SqlLedger(), clock, around.ids)
    extracts = ExtractRegistry(database, SqlExtracts(), CachedExtracts(around.store, around.cache), optouts)
    jobs = Jobs(database, SqlJobs(), clock)
    engine = Engine(StreamingAggregator(), noise, around.signer, around.delta, around.code_version)
    return Desk(
        accounts=accounts,
        keys=keys,
        optouts=optouts,
        extraction=Extraction(keys, ParquetExtractor()),
        extracts=extracts,
        jobs=jobs,
        projects=ProjectPrivacy(keys, accounts, extracts, jobs, noise=noise, delta=around.delta),
        releases=Releases(accounts, around.permits, around.versions, extracts, engine=engine, clock=clock),
        permits=around.permits,
        versions=around.versions,
    )
