"""The registry that stands, for programs that must not ask anybody for a passphrase."""

from posswitch.base.errors import ConfigError, OfficeError
from posswitch.office.desk import Desk
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config
from posswitch.settings.secret import KEPT


def desk_unasked(config: Config, clock: Clock) -> Desk | None:
    """The desk; None while the secret is sealed and nobody has opened it, or the books cannot be used."""
    try:
        return None if KEPT.needs_asking(config.secret) else Desk(config, clock)
    except (ConfigError, OfficeError):
        return None
