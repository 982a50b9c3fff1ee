"""The installation's databases, opened by the operator's commands themselves, so that these work when nothing runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import inspect
from sqlalchemy.exc import OperationalError

from hvelv.kernel.database import Database
from hvelv.kernel.settings import Settings
from hvelv.operation.migrate import databases
from hvelv.operation.trouble import Trouble


@contextmanager
def opened(settings: Settings) -> Iterator[Mapping[str, Database]]:
    """Yield the registry and the custodian's database by name. Raises `Trouble` when they have not been made yet."""
    for name, domain in (("registry", "portal"), ("custodian", "custodian")):
        file = settings.domain_dir(domain) / f"{name}.sqlite"
        if not getattr(settings, f"{name}_database") and not file.exists():
            raise Trouble(f"There is no {name} below {settings.root} yet.", "Start with `hvelv up` or `hvelv migrate`.")
    both = databases(settings)
    try:
        for name, database in both.items():
            if not inspect(database.engine).has_table("audit_event"):
                raise Trouble(f"The {name}'s database has no tables yet.", "Make them with `hvelv migrate`.")
        yield both
    except OperationalError as error:
        raise Trouble(
            f"A database cannot be read: {error.orig}", "Is it another user's, or its server down?"
        ) from error
    finally:
        for database in both.values():
            database.close()
