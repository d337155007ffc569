"""Onboarding: a terminal, its new master key, and the components that two people carry to it."""

from pathlib import Path
from typing import Any, NamedTuple

from posswitch.base.errors import CryptoError, OfficeError
from posswitch.base.registry import Row
from posswitch.crypto.ciphers import kcv
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.office.desk import Desk, Plan
from posswitch.office.finding import Finding, named
from posswitch.office.forms import read_row
from posswitch.settings.shape import Row as Written

COMPONENTS = 2


class Component(NamedTuple):
    """A clear part of a key, for one person; shows only its check value."""

    value: bytes

    def __repr__(self) -> str:
        return f"Component({self.check})"

    @property
    def check(self) -> str:
        """Its check value in hex."""
        return kcv(self.value).hex().upper()


def draw_components(hsm: SoftHsm) -> list[Component]:
    """New components of a terminal's master key."""
    return [Component(hsm.new_component(Usage.TMK)) for _ in range(COMPONENTS)]


def read_component(number: int, text: str) -> Component:
    """A component that a person typed; raises OfficeError without showing it."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) not in (16, 24):
        raise OfficeError(f"component {number}: must be 32 or 48 hex digits; type it again")
    return Component(value)


def form_tmk(hsm: SoftHsm, components: list[Component]) -> bytes:
    """The wrapped master key that components make; raises OfficeError when they do not fit."""
    try:
        return hsm.form_key(Usage.TMK, [component.value for component in components])
    except CryptoError as error:
        raise OfficeError(f"components: {error}") from None


def onboarding(desk: Desk, terminal: dict[str, Any], merchant: dict[str, Any] | None, tmk: bytes) -> Plan:
    """The plan that registers a new terminal, and its merchant when that is new too.

    Raises OfficeError when the terminal is known already, the merchant is not, or a value is wrong.
    """
    name, shop = terminal["id"], terminal["merchant"]
    if name in desk.registry.terminals:
        raise OfficeError(f"{named(('terminal', name))} is registered already; for a new key remove it first")
    if merchant is None and shop not in desk.registry.merchants:
        raise OfficeError(
            f"no {named(('merchant', shop))}; give --merchant-name, --city and --mcc to add it, "
            "or import it first"
        )
    if merchant is not None and shop in desk.registry.merchants:
        raise OfficeError(f"merchant {shop} is registered already; leave --merchant-name, --city, --mcc out")
    rows = [] if merchant is None else [_row(desk, "merchant", {"id": shop, **merchant})]
    plan = desk.plan([*rows, _row(desk, "terminal", {**terminal, "tmk": tmk.hex()})])
    if plan.errors:
        raise _refusal(plan.errors)
    return plan


def _row(desk: Desk, table: str, values: dict[str, Any]) -> Row:
    row, mistakes = read_row(table, values, None, Path(), desk.hsm)
    if isinstance(row, Written):
        raise _refusal(mistakes)
    return row


def _refusal(mistakes: list[Finding]) -> OfficeError:
    return OfficeError("; ".join(map(str, mistakes)))
