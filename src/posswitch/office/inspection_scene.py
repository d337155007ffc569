"""What the daily inspection looks at: a configuration, its data folder, the last day of its journal."""

from functools import cached_property
from pathlib import Path

from posswitch.base.errors import ConfigError
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Registry
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.vitals import Gauges, read_gauges
from posswitch.office.capacity import Report, capacity
from posswitch.office.inspection_day import Survey, survey
from posswitch.office.scan_kernel import clock_state
from posswitch.office.standing import desk_unasked
from posswitch.settings.clock import Clock
from posswitch.settings.config import load_config
from posswitch.settings.secret import KEPT, read_secret

DAY_NS = 86_400 * NS_PER_S


class Scene:
    """Read once, when a check first asks for it; nobody is asked for a passphrase.

    `synchronised` is what adjtimex(2) says of the machine's clock.
    """

    def __init__(
        self, path: Path, clock: Clock, disk: Disk = MACHINE, synchronised: int | None = None
    ) -> None:
        self.path, self.clock, self.disk = path, clock, disk
        self.config = load_config(path, serve=False)
        self.data = self.config.data
        self.now_ns = clock.wall_ns()
        self.desk = desk_unasked(self.config, clock)
        self.synchronised = clock_state() if synchronised is None else synchronised

    def __repr__(self) -> str:
        return f"<inspection of {self.data}>"

    @property
    def registry(self) -> Registry:
        """As it stands, or as the file has it while the secret is sealed."""
        return self.desk.registry if self.desk is not None else self.config.registry

    @cached_property
    def gauges(self) -> Gauges:
        """The newest of a node that runs, else none."""
        return read_gauges(self.data)

    @cached_property
    def key(self) -> bytes | None:
        """Of the journal's chain; None while the secret is sealed or cannot be read."""
        try:
            if KEPT.needs_asking(self.config.secret):
                return None
            return journal_key(Vault(read_secret(self.config.secret), self.clock.entropy))
        except ConfigError:
            return None

    @cached_property
    def capacity(self) -> Report:
        """What is short, what is left; JournalError without a journal."""
        return capacity(self.data, self.now_ns, self.disk)

    @cached_property
    def survey(self) -> Survey:
        """The last day of the journal; JournalError without one."""
        return survey(self.data, self.now_ns - DAY_NS)
