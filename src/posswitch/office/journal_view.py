"""What the node has in memory, as its journal has it: read beside a running node, too."""

from posswitch.base.errors import JournalError, OfficeError
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.state import State
from posswitch.journal.recovery import look
from posswitch.settings.config import Config
from posswitch.settings.secret import read_secret


def state_of(config: Config) -> State | None:
    """The state after the last record, None without a journal; OfficeError when it cannot be known."""
    try:
        return look(config.data, journal_key(Vault(read_secret(config.secret), bytes)), config.node)
    except (JournalError, OSError) as error:
        raise OfficeError(f"the journal: {error}") from None
