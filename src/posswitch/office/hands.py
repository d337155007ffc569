"""The hands of diagnosis: what it decides is a change of the registry, signed and in the books like any."""

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.journal.vitals import read_gauges
from posswitch.office.desk import Desk
from posswitch.office.drain import pausing, resuming
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config

AUTHOR = "diagnosis"
_MINUTE_NS = 60 * NS_PER_S
HANDS_OFF = "hands-off"  # a file in the data folder: while it is there, nothing is done without a person


class OfficeHands:
    """Opens the books for each act, and closes them."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def __repr__(self) -> str:
        return f"<hands {'off' if self.off() else 'on'}>"

    def off(self) -> bool:
        """See Hands."""
        return (self._config.data / HANDS_OFF).exists()

    def elsewhere(self, bank: str) -> bool:
        """See Hands: a rule names another bank whose links serve, or the centre may stand in."""
        try:
            registry = Desk(self._config, self._clock).registry
        except PosswitchError:
            return False
        if bank in registry.standins:
            return True
        gauges = read_gauges(self._config.data)
        others = {
            other
            for row in registry.ranked
            if not row.banks or bank in row.banks
            for other in row.to
            if other != bank and other not in registry.pauses
        }
        return any(gauges.get(f"bank.{other}.links_able", 0) > 0 for other in others)

    def pause(self, bank: str, until_ns: int, why: str) -> str:
        """See Hands."""
        try:
            desk = Desk(self._config, self._clock)
            end = clock_text(until_ns + _MINUTE_NS)[:16]  # a pause ends with a minute
            plan = pausing(desk, bank, "", end, why)
            desk.activate(plan, AUTHOR, f"pause {bank}: {why}")
        except PosswitchError as error:
            return str(error)
        return ""

    def resume(self, bank: str) -> str:
        """See Hands."""
        try:
            desk = Desk(self._config, self._clock)
            if bank not in desk.registry.pauses:
                return ""
            desk.activate(resuming(desk, bank), AUTHOR, f"resume {bank}")
        except PosswitchError as error:
            return str(error)
        return ""
