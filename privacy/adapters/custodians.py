"""Which key custodian an installation has: the keyring, or a transit engine where one is configured."""

from hvelv.kernel.clock import Clock
from hvelv.kernel.settings import Settings
from hvelv.privacy.adapters.keyring import LocalKeyring
from hvelv.privacy.service.custody import KeyCustodian

DOMAIN = "custodian"


def key_custodian(settings: Settings, clock: Clock) -> KeyCustodian:
    """Return it, ready. Nothing is asked of it yet."""
    return LocalKeyring(settings.secrets_dir(DOMAIN), clock, settings.key_copies)
