"""Puts the services together with their adapters: the one place where that is chosen for privacy."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.ids import IdSource
from hvelv.kernel.objects import ObjectStore
from hvelv.kernel.signing import Signer
from hvelv.privacy.adapters.aggregate import StreamingAggregator
from hvelv.privacy.adapters.blocks import SamplingAggregator
from hvelv.privacy.adapters.extraction import Mapper, ParquetExtractor, Threads
from hvelv.privacy.adapters.key_rows import SqlDestructions, SqlKeys
from hvelv.privacy.adapters.ledger import SqlLedger
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.adapters.objecting import Buffers
from hvelv.privacy.adapters.parted import PartedAggregator
from hvelv.privacy.adapters.reading import CachedExtracts
from hvelv.privacy.adapters.risk import PolarsMeasurer
from hvelv.privacy.adapters.rows import SqlExtracts, SqlJobs
from hvelv.privacy.adapters.store_optouts import SqlCanonical, SqlOptOuts
from hvelv.privacy.adapters.store_reviews import SqlReviews
from hvelv.privacy.adapters.store_rooms import SqlRooms
from hvelv.privacy.adapters.store_wishes import SqlWishes
from hvelv.privacy.adapters.topup_rows import SqlTopUps
from hvelv.privacy.adapters.traces import DiskTraces
from hvelv.privacy.domain.risk import DEFAULT_POLICY, Policy
from hvelv.privacy.service.accounts import OWN_SHARE, Accounts
from hvelv.privacy.service.background import Background
from hvelv.privacy.service.canonical import CanonicalPersons
from hvelv.privacy.service.credentials import PassMaker, RoomCredentials
from hvelv.privacy.service.custody import KeyCustodian
from hvelv.privacy.service.desk import Desk
from hvelv.privacy.service.destructions import Destructions
from hvelv.privacy.service.extraction import Extraction
from hvelv.privacy.service.extracts import ExtractRegistry
from hvelv.privacy.service.jobs import Jobs
from hvelv.privacy.service.keys import Keys
from hvelv.privacy.service.optouts import OptOuts
from hvelv.privacy.service.projects import ProjectPrivacy
from hvelv.privacy.service.releases import Engine, Pace, PermitCheck, Releases, VersionSource
from hvelv.privacy.service.reviews import Reviews
from hvelv.privacy.service.reviews import Surroundings as ReviewSurroundings
from hvelv.privacy.service.rooms import Rooms
from hvelv.privacy.service.sampling import BlockRunner, WhereWallsAre
from hvelv.privacy.service.statements import Statements
from hvelv.privacy.service.topups import Rules, TopUps


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
    slot: float = 0.0  # seconds: answers are given at the ends of slots that double
    topup_authority: str = ""  # a holder whose stewards may confirm any larger account
    own_share: float = float(OWN_SHARE)  # of a new dataset's account, for the platform itself
    tables_at_once: int = 1
    mapper: Mapper | None = None  # where extracts are made and parts of them added up, if not here
    purposes: Collection[str] = ()  # that can be objected to
    holders: Callable[[], Collection[str]] = tuple
    passes: PassMaker | None = None  # where the store makes short-lived credentials
    work: Path | None = None  # where extracts are made
    blocks: BlockRunner | None = None  # where somebody's work on blocks of persons is run, if it can be
    risk: Policy = DEFAULT_POLICY
    takes_part: Callable[[str, str], bool] = lambda _project, _person: True  # whoever does may not judge its extracts


def desk(around: Surroundings, *, ledger: SqlLedger | None = None) -> Desk:
    """Return privacy's services, working."""
    database, clock = around.database, around.clock
    noise = OpenDPNoise()
    keys = Keys(database, SqlKeys(), around.kek, clock)
    optouts = OptOuts(database, SqlOptOuts(), keys, Buffers(), clock, purposes=around.purposes, holders=around.holders)
    accounts = Accounts(database, ledger or SqlLedger(), clock, around.ids, own_share=around.own_share)
    extracts = ExtractRegistry(database, SqlExtracts(), CachedExtracts(around.store, around.cache), optouts, clock)
    statements = Statements(accounts, noise.epsilon, delta=around.delta)
    jobs = Jobs(database, SqlJobs(), clock)
    judged = around.cache.parent / "reviews"
    traces = DiskTraces((around.cache, judged, *([around.work] if around.work else [])))
    beside = ReviewSurroundings(jobs.hurry, around.takes_part, judged)
    rules = Rules(around.topup_authority, around.takes_part)
    rooms = Rooms(database, SqlRooms(), store=around.store, traces=traces, keys=keys, clock=clock)
    aggregator = PartedAggregator(around.mapper) if around.mapper else StreamingAggregator()
    sampling = SamplingAggregator(aggregator, around.blocks) if around.blocks else aggregator
    engine = Engine(
        sampling,
        noise,
        around.signer,
        around.delta,
        around.code_version,
        Pace(around.slot),
        WhereWallsAre(around.blocks),
    )
    releases = Releases(accounts, around.permits, around.versions, extracts, engine=engine, clock=clock)
    return Desk(
        accounts=accounts,
        keys=keys,
        destructions=Destructions(database, SqlDestructions(), around.kek, around.signer, clock),
        optouts=optouts,
        canonical=CanonicalPersons(database, SqlCanonical(), keys, Buffers(), clock),
        extraction=Extraction(
            keys, ParquetExtractor(around.mapper), around.code_version, Threads(around.tables_at_once)
        ),
        extracts=extracts,
        jobs=jobs,
        rooms=rooms,
        reviews=Reviews(database, SqlReviews(), PolarsMeasurer(), policy=around.risk, around=beside, clock=clock),
        credentials=RoomCredentials(database, around.permits, around.passes, clock, published=extracts.place),
        projects=ProjectPrivacy(keys, accounts, extracts, jobs, rooms, statements=statements),
        releases=releases,
        background=Background(
            database, SqlWishes(), releases=releases, jobs=jobs, permits=around.permits, clock=clock, ids=around.ids
        ),
        permits=around.permits,
        versions=around.versions,
        statements=statements,
        topups=TopUps(database, SqlTopUps(), accounts, rules=rules, clock=clock, ids=around.ids),
    )
