"""The door to the portal for stewards: how their populations' accounts stand, and larger ones, which take two.

The portal vouches for who asks and for which data holder; an account is shown to its own holder, and to the authority that
may confirm for others.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hvelv.privacy.domain.topups import Action
from hvelv.privacy.pages.documents import AtDesk
from hvelv.privacy.pages.reviews_api import For

router = APIRouter(tags=["accounts"])


class ProposalBody(BaseModel):
    """A larger account. What is in it is judged by the service."""

    model_config = ConfigDict(extra="forbid")

    cap: int
    reason: str = Field(max_length=5000)
    period: tuple[str, str] | None = None


def whose(who: For, desk: AtDesk) -> str | None:
    """Return whose accounts may be seen: the holder's, None for everyone's."""
    return None if desk.topups.is_authority(who) else who.holder


Whose = Annotated[str | None, Depends(whose)]


@router.get("/accounts")
def accounts(who: For, desk: AtDesk) -> dict[str, Any]:
    """Return the holder's accounts in brief, and the proposals that wait for an answer."""
    return {"accounts": desk.statements.of_holder(who.holder), "waiting": desk.topups.waiting(who)}


@router.get("/accounts/{population}")
def account(population: str, whose: Whose, desk: AtDesk) -> dict[str, Any]:
    """Return an account with all that was charged to it, and its proposals."""
    found = desk.statements.of_population(population, holder=whose)
    return found | {"topups": desk.topups.of_population(population)}


@router.post("/accounts/{population}/topups")
def propose(population: str, body: ProposalBody, who: For, desk: AtDesk) -> dict[str, Any]:
    """Propose a larger account."""
    return desk.topups.propose(who, population, cap=body.cap, reason=body.reason, period=body.period)


@router.post("/topups/{topup}/{answer}")
def decide(topup: str, answer: Action, who: For, desk: AtDesk) -> dict[str, Any]:
    """Confirm, refuse or withdraw a proposal."""
    done: dict[str, Any] = getattr(desk.topups, answer.value)(who, topup)
    return done
