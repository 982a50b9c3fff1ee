"""The portal's inner door, on a unix socket for the hub alone: is this person who they say they are?"""

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from hvelv.kernel.web import answer_refusals
from hvelv.portal.wiring import People


class Presented(BaseModel):
    """What was typed at the hub's sign-in. The bounds keep a long name out of the log and a long password off the hash."""

    model_config = ConfigDict(extra="forbid")

    person: str = Field(max_length=64)
    password: str = Field(max_length=1024, repr=False)
    otp: str = Field("", max_length=16, repr=False)


def create_internal(people: People) -> FastAPI:
    """Return the app that the hub's authenticator asks."""
    app = FastAPI(title="Hvelv, inner door", docs_url=None, redoc_url=None, openapi_url=None)
    answer_refusals(app)

    @app.post("/sign-in")
    async def sign_in(presented: Presented) -> dict[str, str]:
        person = await run_in_threadpool(
            people.check, presented.person.strip().lower(), presented.password, presented.otp.strip()
        )
        return {"person": person.id, "name": person.name}

    return app
