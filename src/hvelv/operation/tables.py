"""Every module that holds rows, so that the two lists of tables are whole."""

from importlib import import_module

MODULES = (
    "hvelv.kernel.people_store",
    "hvelv.catalog.adapters.store",
    "hvelv.catalog.adapters.store_vault",
    "hvelv.requests.adapters.store",
    "hvelv.requests.adapters.store_office",
    "hvelv.requests.adapters.store_projects",
    "hvelv.privacy.adapters.store",
    "hvelv.privacy.adapters.store_accounts",
    "hvelv.privacy.adapters.store_reviews",
    "hvelv.privacy.adapters.store_rooms",
    "hvelv.privacy.adapters.store_keys",
    "hvelv.privacy.adapters.store_reidentification",
    "hvelv.privacy.adapters.store_optouts",
    "hvelv.privacy.adapters.store_wishes",
    "hvelv.enclave.adapters.export_store",
    "hvelv.portal.sessions",
)


def load() -> None:
    """Import them all."""
    for name in MODULES:
        import_module(name)
