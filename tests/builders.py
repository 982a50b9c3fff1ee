"""Things the tests talk about, each valid by itself and changed by name."""

from datetime import UTC, datetime
from typing import Any

from hvelv.enclave.domain.gate import Evidence
from hvelv.kernel.audit import AuditEvent

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def a_release(**changes: Any) -> dict[str, Any]:
    """Return the document of a release with two groups."""
    return {
        "id": "rel-0001",
        "project": "p-0001",
        "dataset": "population",
        "keys": ["sex"],
        "rho_micro": 1000,
        "rows": [
            {
                "key": ["m"],
                "values": {"count": 101, "mean_age": 51.23456789},
                "error95": {"count": 9.5, "mean_age": 1.2},
            },
            {"key": ["f"], "values": {"count": 97, "mean_age": 49.5}, "error95": {"count": 9.5, "mean_age": 1.3}},
        ],
    } | changes


def evidence(**changes: Any) -> Evidence:
    """Return evidence on a release that may leave."""
    values: dict[str, Any] = {"document": a_release(), "signature_holds": True, "charged_rho": 1000, "in_permit": True}
    return Evidence(**values | changes)


def an_item(**changes: Any) -> dict[str, Any]:
    """Return an item as the lab offers it."""
    return {"kind": "table", "release": "rel-0001", "title": "Personer etter kjønn"} | changes


def an_event(**changes: Any) -> AuditEvent:
    """Return an event of the audit trail."""
    values: dict[str, Any] = {"actor": "kari", "action": "looked", "subject": "thing", "detail": {}}
    return AuditEvent(**values | changes)
