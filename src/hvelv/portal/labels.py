"""What codes are called on the pages: states, roles, types and events, each with its colour where it has one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hvelv.kernel.errors import _
from hvelv.privacy.domain.reidentification import REASON_NAMES
from hvelv.privacy.domain.reidentification import STATE_NAMES as REIDENTIFICATION_STATES
from hvelv.privacy.domain.topups import STATE_NAMES as TOPUP_STATES
from hvelv.requests.domain.lifecycle import STATE_NAMES
from hvelv.requests.domain.permit import PERMIT_STATE_NAMES

if TYPE_CHECKING:
    from hvelv.portal.i18n import Language

LABELS: Mapping[str, Mapping[str, str]] = {
    "role": {
        "researcher": _("Forsker"),
        "ethics": _("REK-medlem"),
        "steward": _("Dataforvalter"),
        "checker": _("Utleveringskontrollør"),
        "auditor": _("Revisor"),
        "citizen": _("Innbygger"),
        "manager": _("Virksomhet"),
        "admin": _("Drift"),
    },
    "variable_role": {
        "person_id": _("Personidentitet"),
        "direct_identifier": _("Direkte identifiserende"),
        "quasi_identifier": _("Indirekte identifiserende"),
        "sensitive": _("Sensitiv opplysning"),
        "attribute": _("Opplysning"),
        "date": _("Dato for hendelse"),
        "free_text": _("Fritekst"),
    },
    "type": {
        "string": _("Tekst"),
        "integer": _("Heltall"),
        "decimal": _("Desimaltall"),
        "date": _("Dato"),
        "boolean": _("Ja eller nei"),
    },
    "application": {state.value: name for state, name in STATE_NAMES.items()},
    "permit": {state.value: name for state, name in PERMIT_STATE_NAMES.items()},
    "export": {
        "draft": _("Kladd"),
        "checking": _("Kontrolleres"),
        "needs_human": _("Venter på kontrollør"),
        "released": _("Utlevert"),
        "refused": _("Nektet"),
        "withdrawn": _("Trukket"),
    },
    "job": {
        "queued": _("I kø"),
        "waiting": _("Venter"),
        "running": _("Pågår"),
        "done": _("Ferdig"),
        "published": _("Klart"),
        "sealed": _("Forseglet"),
        "withdrawn": _("Trukket"),
        "failed": _("Feilet"),
    },
    "review": {
        "noted": _("Målt"),
        "waiting": _("Venter på svar"),
        "changing": _("Lages på nytt"),
        "approved": _("Sluppet"),
        "refused": _("Nektet"),
    },
    "reidentification": {state.value: name for state, name in REIDENTIFICATION_STATES.items()},
    "topup": {state.value: name for state, name in TOPUP_STATES.items()},
    "charge": {"charged": _("Reservert"), "released": _("Besvart")},
    "reidentification_reason": {reason.value: name for reason, name in REASON_NAMES.items()},
    "room": {
        "closed": _("Lukket"),
        "opening": _("Åpnes"),
        "open": _("Åpent"),
        "closing": _("Lukkes"),
    },
    "event": {
        "submit": _("sendte inn"),
        "withdraw": _("trakk søknaden"),
        "vote": _("stemte"),
        "decide": _("tok stilling for datainnehaveren"),
        "declare_conflict": _("meldte inhabilitet"),
        "return": _("ba om endringer"),
        "revise": _("begynte på en ny revisjon"),
        "approve": _("søknaden ble innvilget"),
        "reject": _("søknaden ble avslått"),
    },
    "vote": {"for": _("For"), "against": _("Mot")},
    "decision": {"for": _("Ja"), "against": _("Nei")},
    "scheme": {"auto": _("Som enheten"), "light": _("Lys"), "dark": _("Mørk")},
}

COLOURS: Mapping[str, Mapping[str, str]] = {
    "application": {
        "submitted": "info",
        "in_review": "info",
        "returned": "warning",
        "approved": "success",
        "rejected": "danger",
    },
    "permit": {"active": "success", "suspended": "warning", "expired": "neutral", "revoked": "danger"},
    "review": {"waiting": "warning", "changing": "info", "approved": "success", "refused": "danger"},
    "export": {"checking": "info", "needs_human": "warning", "released": "success", "refused": "danger"},
    "job": {
        "running": "info",
        "waiting": "warning",
        "done": "success",
        "published": "success",
        "failed": "danger",
    },
    "topup": {"proposed": "warning", "confirmed": "success", "refused": "danger"},
    "charge": {"charged": "warning", "released": "success"},
    "reidentification": {
        "requested": "info",
        "approved": "warning",
        "executed": "success",
        "refused": "danger",
    },
    "room": {"opening": "info", "open": "success", "closing": "warning"},
    "decision": {"for": "success", "against": "danger"},
    "vote": {"for": "success", "against": "danger"},
    "variable_role": {"person_id": "danger", "direct_identifier": "danger", "sensitive": "warning"},
}


def label(lang: "Language", value: object, kind: str) -> str:
    """Return what `value` is called; a code without a name is shown as it is."""
    return lang.translate(LABELS.get(kind, {}).get(str(value), str(value)))
