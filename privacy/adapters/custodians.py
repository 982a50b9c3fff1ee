"""Which key custodian an installation has: the keyring, or a transit engine where one is configured."""

from hvelv.kernel.clock import Clock
from hvelv.kernel.settings import Settings
from hvelv.privacy.adapters.keyring import LocalKeyring
from hvelv.privacy.adapters.transit import Transit
from hvelv.privacy.service.custody import KeyCustodian

DOMAIN = "custodian"


def key_custodian(settings: Settings, clock: Clock) -> KeyCustodian:
    """Return it, ready. Nothing is asked of it yet. Raises `FileNotFoundError` without the secret `kek`."""
    folder = settings.secrets_dir(DOMAIN)
    if settings.vault_address:
        token = settings.vault_token_file or folder / "vault_token"
        return Transit(settings.vault_address, settings.vault_mount, token, settings.vault_ca_file)
    return LocalKeyring(folder, clock, settings.key_copies)
