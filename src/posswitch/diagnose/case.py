"""A case: an open incident, and what is known of it beside its words."""

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.investigate import Finding

LOOKS_S = (1.0, 2.0, 4.0, 8.0)  # after it was opened; then every
_LOOK_EVERY_S = 10.0


class Case:
    """An open incident and what is known of it beside its words."""

    def __init__(self, incident: Incident, finding: Finding) -> None:
        self.incident = incident
        self.lie_at(finding)
        self.streams = finding.streams
        self.facts = set(finding.facts)
        self.looks = 0
        self.looked_ns = incident.opened_ns
        self.calm_ns = 0  # since when; 0: it is not

    def __repr__(self) -> str:
        return f"<case {self.incident!r}>"

    def lie_at(self, finding: Finding) -> None:
        """Takes the place of a finding for its own."""
        self.where, self.lies_in = finding.where, finding.lies_in

    def due(self, at_ns: int) -> bool:
        """Whether it is to be looked at again."""
        wait_s = LOOKS_S[self.looks] if self.looks < len(LOOKS_S) else _LOOK_EVERY_S
        since_ns = self.incident.opened_ns if self.looks < len(LOOKS_S) else self.looked_ns
        return at_ns - since_ns >= int(wait_s * NS_PER_S)

    @property
    def placed(self) -> bool:
        """Whether it is known which outcomes are its own: a bank without traffic has none."""
        return bool(self.where) or not self.bank

    @property
    def explains(self) -> bool:
        """Whether what is bad in its place is its own: of the whole centre, only where it is known why."""
        return self.placed and bool(self.where or self.incident.kind)

    @property
    def bank(self) -> str:
        """Of its place; empty when it is none of a bank."""
        place = self.incident.place
        return place.get("bank", "") or place.get("link", "").partition("/")[0]
