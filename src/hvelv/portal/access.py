"""Who may reach which route: one table for all of them. What is not in it is nobody's.

The table answers by role. Whose application, case, project or export it is, the services decide; the third column says
by which relation, and the tests hold both to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from hvelv.kernel.errors import Denied, _
from hvelv.kernel.people import Person, Role


@dataclass(frozen=True)
class Access:
    """Who may reach one route. `roles` empty and not `public` is everyone who is signed in."""

    public: bool = False
    roles: frozenset[Role] = frozenset()
    relation: str = ""

    def allows(self, person: Person | None) -> bool:
        """Say whether `person` (None: not signed in) may reach the route."""
        if self.public:
            return True
        return person is not None and person.active and (not self.roles or bool(self.roles & person.roles))


def _of(*roles: Role, relation: str = "") -> Access:
    return Access(roles=frozenset(roles), relation=relation)


PUBLIC = Access(public=True)
RESEARCHER = _of(Role.RESEARCHER, relation="applicant or member")
VIEWER = _of(
    Role.RESEARCHER, Role.STEWARD, Role.AUDITOR, relation="member, holder of a dataset in the permit, or auditor"
)
MEMBER = _of(Role.RESEARCHER, relation="member of the project's permit")
STEWARD = _of(Role.STEWARD, relation="the dataset's holder")
REVIEWER = _of(Role.ETHICS, Role.STEWARD, relation="committee, or holder of a dataset applied for")
AUDITOR = _of(Role.AUDITOR)
IN_CHARGE = _of(Role.ADMIN, Role.AUDITOR)

ROUTES: Mapping[tuple[str, str], Access] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/health"): PUBLIC,
    ("GET", "/sign-in"): PUBLIC,
    ("GET", "/oauth_callback"): PUBLIC,
    ("POST", "/sign-out"): PUBLIC,
    ("POST", "/settings"): PUBLIC,
    ("GET", "/projects-register"): PUBLIC,
    ("GET", "/catalogue"): PUBLIC,
    ("GET", "/datasets/{dataset_id}"): PUBLIC,
    ("GET", "/selection"): _of(Role.RESEARCHER),
    ("POST", "/selection"): _of(Role.RESEARCHER),
    ("GET", "/publish"): STEWARD,
    ("GET", "/publish/new"): STEWARD,
    ("POST", "/publish/uploads"): STEWARD,
    ("GET", "/publish/uploads/{upload_id}"): STEWARD,
    ("POST", "/publish/uploads/{upload_id}"): STEWARD,
    ("GET", "/extracts"): STEWARD,
    ("GET", "/extracts/count"): STEWARD,
    ("GET", "/extracts/{project_id}/{table}"): STEWARD,
    ("POST", "/extracts/{project_id}/{table}/try"): STEWARD,
    ("POST", "/extracts/{project_id}/{table}/apply"): STEWARD,
    ("POST", "/extracts/{project_id}/{table}/approve"): STEWARD,
    ("POST", "/extracts/{project_id}/{table}/refuse"): STEWARD,
    ("GET", "/accounts"): STEWARD,
    ("GET", "/account-count"): STEWARD,
    ("GET", "/accounts/{population}"): STEWARD,
    ("POST", "/accounts/{population}/topups"): STEWARD,
    ("POST", "/accounts/{population}/topups/{topup}/{answer}"): STEWARD,
    ("GET", "/applications"): RESEARCHER,
    ("GET", "/applications/new"): RESEARCHER,
    ("POST", "/applications"): RESEARCHER,
    ("GET", "/applications/{application_id}"): RESEARCHER,
    ("POST", "/applications/{application_id}"): RESEARCHER,
    ("GET", "/applications/{application_id}/answers"): RESEARCHER,
    ("POST", "/applications/{application_id}/submit"): RESEARCHER,
    ("POST", "/applications/{application_id}/withdraw"): RESEARCHER,
    ("GET", "/cases"): REVIEWER,
    ("GET", "/cases/{application_id}"): REVIEWER,
    ("POST", "/cases/{application_id}/vote"): _of(Role.ETHICS, relation="committee member without a conflict"),
    ("POST", "/cases/{application_id}/decide"): _of(Role.STEWARD, relation="holder of a dataset applied for"),
    ("POST", "/cases/{application_id}/conflict"): REVIEWER,
    ("POST", "/cases/{application_id}/return"): REVIEWER,
    ("GET", "/projects"): VIEWER,
    ("GET", "/projects/{project_id}"): VIEWER,
    ("GET", "/projects/{project_id}/progress"): VIEWER,
    ("POST", "/projects/{project_id}/state"): _of(
        Role.RESEARCHER, Role.STEWARD, relation="who leads the project (close), or holder of a dataset in the permit"
    ),
    ("POST", "/projects/{project_id}/session"): MEMBER,
    ("GET", "/projects/{project_id}/session"): MEMBER,
    ("POST", "/projects/{project_id}/session/stop"): MEMBER,
    ("GET", "/projects/{project_id}/lab"): MEMBER,
    ("GET", "/projects/{project_id}/lab/mark"): MEMBER,
    ("GET", "/projects/{project_id}/lab/idle"): MEMBER,
    ("POST", "/projects/{project_id}/lab/keep"): MEMBER,
    ("GET", "/exports/{export_id}/download"): MEMBER,
    ("GET", "/bundles/{token}"): MEMBER,
    ("GET", "/reidentification"): _of(
        Role.RESEARCHER, Role.STEWARD, Role.ETHICS, Role.AUDITOR, relation="member, holder, committee or auditor"
    ),
    ("POST", "/reidentification"): MEMBER,
    ("POST", "/reidentification/{case_id}/approve"): REVIEWER,
    ("POST", "/reidentification/{case_id}/refuse"): REVIEWER,
    ("POST", "/reidentification/{case_id}/withdraw"): MEMBER,
    ("POST", "/reidentification/{case_id}/execute"): STEWARD,
    ("GET", "/sessions"): IN_CHARGE,
    ("POST", "/sessions/{person_id}/{project_id}/stop"): _of(Role.ADMIN),
    ("GET", "/audit"): AUDITOR,
    ("POST", "/audit/verify"): AUDITOR,
}


async def enforce(request: Request) -> None:
    """Let the request through to its route, or raise. Runs before every route of the app."""
    route = request.scope.get("route")
    rule = ROUTES.get((request.method if request.method != "HEAD" else "GET", getattr(route, "path", "")))
    if rule is None:
        raise Denied(_("Ingen har rett til dette."), code="denied:no-entry")
    person = await request.app.state.sign_in.known(request)
    if rule.allows(person):
        return
    if person is None:
        await request.app.state.sign_in.person(request)  # raises the way to sign-in
    raise Denied(
        _("Denne siden er for andre roller enn dem du har."),
        remedy=_("Gå til startsiden for å se hva du kan gjøre. Mangler du en rolle, be drift om den."),
        code="denied:role",
    )
