"""Which key custodian an installation has: the keyring, or a transit engine where one is configured."""

from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.settings import Settings
from hvelv.privacy.adapters.key_rows import SqlKeys
from hvelv.privacy.adapters.keyring import MARK, LocalKeyring
from hvelv.privacy.adapters.transit import Transit
from hvelv.privacy.service.custody import KeyCustodian

DOMAIN = "custodian"


def key_custodian(settings: Settings, clock: Clock, database: Database) -> KeyCustodian:
    """Return it, ready. Nothing is asked of it yet. Raises `FileNotFoundError` without the secret `kek`.

    A keyring is not begun anew while `database`, where the wrapped keys are, has any that a keyring wrapped.
    """
    folder = settings.secrets_dir(DOMAIN)
    if settings.vault_address:
        token = settings.vault_token_file or folder / "vault_token"
        return Transit(settings.vault_address, settings.vault_mount, token, settings.vault_ca_file)

    def in_need() -> bool:
        with database.reading() as session:
            return any(kept.wrapped.startswith(MARK) for kept in SqlKeys().all(session))

    return LocalKeyring(folder, clock, settings.key_copies, in_need=in_need)
