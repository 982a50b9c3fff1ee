"""The portal put together: the one place where it is chosen what its services stand on."""

from datetime import timedelta

from hvelv.catalog.adapters.custodian import LinkedVault
from hvelv.catalog.adapters.search_index import TantivyIndex
from hvelv.catalog.adapters.store import SqlCatalogueRows, SqlSelectionRows
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.publishing import Publishing
from hvelv.catalog.service.selections import Selections
from hvelv.enclave.domain.idle import IdleLimits
from hvelv.enclave.service.unused import Unused
from hvelv.kernel.clock import SystemClock
from hvelv.kernel.database import registry
from hvelv.kernel.ids import RandomIds
from hvelv.kernel.link import Link
from hvelv.kernel.people_store import People
from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings
from hvelv.kernel.signing import Verifier
from hvelv.portal.hub import hub_at
from hvelv.portal.sessions import Sessions
from hvelv.portal.sign_in import SignIn
from hvelv.portal.wiring import Wiring
from hvelv.privacy.adapters.accounts_link import LinkedAccounts
from hvelv.privacy.adapters.reviews_link import LinkedReviews
from hvelv.requests.adapters.custodian import LinkedOffice
from hvelv.requests.adapters.store import SqlApplicationRows
from hvelv.requests.adapters.store_projects import SqlProjectRows
from hvelv.requests.service.applications import Applications
from hvelv.requests.service.projects import Projects
from hvelv.requests.service.register import Register


def idle_limits(settings: Settings) -> IdleLimits:
    """Return for how long a session may be unused in this installation."""
    return IdleLimits(timedelta(minutes=settings.session_idle), timedelta(minutes=settings.session_idle_warning))


def build(settings: Settings, secrets: Secrets) -> Wiring:
    """Return the services on the registry, the custodian's door for the portal, and the hub."""
    clock, ids = SystemClock(), RandomIds()
    database = registry(settings.registry_url, clock=clock)
    custodian = Link(settings.custodian_socket("portal"))
    hub = hub_at(
        settings.hub_api_port,
        hub_url=settings.hub_url,
        portal_url=settings.portal_url,
        token=secrets.read("portal_api_token"),
    )
    session_key = secrets.read("session_key").encode()
    people = People(database)
    catalogue = Catalogue(database, SqlCatalogueRows(), TantivyIndex)
    office, project_rows = LinkedOffice(custodian), SqlProjectRows()
    applications = Applications(
        database,
        SqlApplicationRows(),
        project_rows,
        people=people,
        catalogue=catalogue,
        office=office,
        verifier=Verifier.load(settings.public_key),
        clock=clock,
        ids=ids,
        quorum=settings.quorum,
        decision_days=settings.decision_due_days,
        data_days=settings.data_due_days,
    )
    return Wiring(
        settings=settings,
        session_key=session_key,
        registry=database,
        sign_in=SignIn(
            Sessions(database, clock, session_key), people, hub, https=settings.portal_url.startswith("https://")
        ),
        people=people,
        catalogue=catalogue,
        selections=Selections(database, SqlSelectionRows(), catalogue),
        publishing=Publishing(catalogue, LinkedVault(custodian), ids),
        applications=applications,
        projects=Projects(database, project_rows, office),
        register=Register(database, project_rows),
        rooms=hub,
        unused=Unused(database, hub, clock, idle_limits(settings)),
        custodian=custodian,
        reviews=LinkedReviews(custodian),
        accounts=LinkedAccounts(custodian),
    )
