"""What the gate may take for proven about a release: from the ledger and the signature, not from the one who asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hvelv.enclave.domain.gate import Evidence
from hvelv.kernel.clock import Clock
from hvelv.kernel.errors import NotFound
from hvelv.kernel.ids import PersonId, ProjectId
from hvelv.kernel.signing import BadSignature, Signed, Verifier
from hvelv.privacy.service.accounts import Accounts
from hvelv.privacy.service.releases import Releases
from hvelv.requests.service.office import Office


@dataclass(frozen=True)
class CertifiedReleases:
    """The `ReleaseEvidence` on the custodian's own books."""

    releases: Releases
    accounts: Accounts
    office: Office
    verifier: Verifier

    def evidence(self, project: ProjectId, release: str) -> Evidence | None:
        """Return the evidence on a release of the project; None where there is no such release."""
        try:
            stored = self.releases.stored(project, release)
        except NotFound:
            return None
        document = {name: value for name, value in stored.items() if name != "signature"}
        charged = [c.purchase.rho_micro for c in self.accounts.charges(project, charge_id=release)]
        return Evidence(
            document=document,
            signature_holds=self._signed(document, stored.get("signature"), project, release),
            charged_rho=sum(charged),
            in_permit=self._in_permit(project, document),
        )

    def _signed(self, document: Mapping[str, Any], signature: Any, project: ProjectId, release: str) -> bool:
        if not isinstance(signature, dict):
            return False
        try:
            proven = self.verifier.check(Signed.from_dict(signature), "release")
        except BadSignature:
            return False
        return proven == document and proven["project"] == project and proven["id"] == release

    def _in_permit(self, project: ProjectId, document: Mapping[str, Any]) -> bool:
        permitted = {(d.dataset, d.table) for d in self.office.issued(project).permit.datasets}
        read = [(e.get("dataset_id"), e.get("dataset")) for e in document.get("extracts") or ()]
        return {(document.get("dataset_id"), document.get("dataset")), *read} <= permitted


@dataclass(frozen=True)
class OfficeRights:
    """The `Rights` by the permit office."""

    office: Office
    clock: Clock

    def require(self, person: PersonId, project: ProjectId) -> Mapping[str, Any]:
        """Return the permit's document if it is in force and names the person. Raises `Denied`."""
        now = self.clock.now()
        self.office.grant(person, project, now)
        return self.office.active_permit(project, now).as_dict()
