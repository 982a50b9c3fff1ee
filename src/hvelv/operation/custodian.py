"""The custodian's process: two doors, one for the portal and one for hub and gateway, each with its own routes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI

from hvelv.catalog.pages import vault_api
from hvelv.enclave.pages import exports_api, project_api, traffic_api
from hvelv.enclave.service.traffic import TrafficBook
from hvelv.kernel.ids import ProjectId
from hvelv.kernel.serving import Door
from hvelv.kernel.serving import serve as serve_doors
from hvelv.kernel.settings import Settings
from hvelv.kernel.web import Actor, answer_refusals
from hvelv.operation import tables
from hvelv.privacy.pages import (
    accounts_api,
    background_api,
    lab_api,
    optouts_api,
    projects_api,
    reidentification_api,
    reviews_api,
)
from hvelv.requests.domain.permit import PermitState
from hvelv.requests.pages import office_api
from hvelv.workflows.desk import Desk, desk
from hvelv.workflows.refresh import refresher

ROUND_SECONDS = 20.0
MOST_EVENTS = 1000
log = logging.getLogger(__name__)


def door(made: Desk, routers: tuple[APIRouter, ...], lifespan: Callable[[FastAPI], Any] | None = None) -> FastAPI:
    """Return the app of one door: these routes and no others."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.desk = made
    app.state.privacy = made.privacy
    app.state.vault = made.vault
    app.state.office = made.office
    app.state.exports = made.exports
    app.state.lab_project = made.lab_project
    app.state.traffic = TrafficBook(made.database, made.clock)
    app.state.reidentification = made.reidentification
    for router in routers:
        app.include_router(router)
    answer_refusals(app)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"state": "well"}

    return app


def portal_door(made: Desk) -> FastAPI:
    """Return the door that the portal and the operator's command use."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(made.vault.sweep)
        task = asyncio.create_task(_look_after(made))
        yield
        task.cancel()

    routers = (
        vault_api.router,
        office_api.portal_router,
        projects_api.router,
        optouts_api.router,
        reviews_api.router,
        accounts_api.router,
        reidentification_api.router,
        exports_api.portal_router,
        traffic_api.portal_router,
        _audit(made),
    )
    return door(made, routers, lifespan)


def enclave_door(made: Desk) -> FastAPI:
    """Return the door that the hub and the session gateway use."""
    routers = (
        office_api.enclave_router,
        project_api.router,
        lab_api.router,
        background_api.router,
        exports_api.lab_router,
        traffic_api.enclave_router,
    )
    return door(made, routers)


def _audit(made: Desk) -> APIRouter:
    router = APIRouter(prefix="/audit")

    @router.get("/events")
    def events(_actor: Actor, newest: int = 100) -> list[dict[str, Any]]:
        """List the newest events of the custodian's chain."""
        with made.database.reading() as session:
            rows = made.database.trail.rows(session, newest=min(max(newest, 1), MOST_EVENTS))
            return [
                {
                    "seq": row.seq,
                    "at": row.at.isoformat(),
                    "actor": row.actor,
                    "action": row.action,
                    "subject": row.subject,
                    "detail": dict(row.detail),
                    "hash": row.hash,
                }
                for row in rows
            ]

    @router.get("/verify")
    def verify(_actor: Actor) -> dict[str, Any]:
        """Verify the custodian's chain."""
        with made.database.reading() as session:
            return {"rows": made.database.trail.length(session), "faults": made.database.trail.faults(session)}

    return router


def _may_run(made: Desk, project: str) -> bool:
    """Say whether the project's permit is in force or may yet be."""
    issued = made.office.issued(ProjectId(project))
    return issued.state in {PermitState.ACTIVE, PermitState.SUSPENDED} and made.clock.now() < issued.permit.expires


async def _look_after(made: Desk) -> None:
    """Do what is due now and then: checks that a crash cut short, permits that have expired, extracts to be made again."""
    started, refresh = made.clock.now(), refresher(made)
    while True:
        for name, chore in (
            ("export checks", lambda: made.exports.resume(before=started)),
            ("expired permits", lambda: made.office.expire(made.clock.now())),
            ("rooms of ended projects", made.privacy.rooms.look_after),
            ("keys to be destroyed", made.privacy.destructions.finish),
            ("extracts with people who object", refresh.run),
            ("what was kept for reviews", lambda: made.privacy.reviews.tidy(partial(_may_run, made))),
        ):
            try:
                await asyncio.to_thread(chore)
            except Exception:  # the next round tries again; access is judged by the date itself
                log.exception("%s could not be looked after; tried again", name)
        await asyncio.sleep(ROUND_SECONDS)


def serve(settings: Settings) -> None:
    """Run both doors until asked to stop."""
    tables.load()
    made = desk(settings)
    for bucket in ("vault", "rooms", "sealed", "bundles"):
        made.objects.ensure_bucket(bucket)
    try:
        serve_doors(
            (
                Door(portal_door(made), socket=settings.custodian_socket("portal")),
                Door(enclave_door(made), socket=settings.custodian_socket("enclave")),
            )
        )
    finally:
        made.database.close()
