"""Rows for tests, and how they get into the books."""

from posswitch.base.registry import Bin, Merchant, Registry, Terminal, key_of
from posswitch.crypto.commands import Usage

SHOP = "802440354110001"  # of the city


def merchant(number, name="Shop"):
    return Merchant(f"80244035411{number:04d}", f"{name} {number}", "SHENZHEN", "5411")


def terminal(number, tmk, shop=SHOP, **more):
    return Terminal(f"{number:08d}", shop, tmk, **more)


def rows_of(registry: Registry):
    """What a registry holds, whatever the order in which it came."""
    return {key_of(row): row for row in registry.rows}


def activate(desk, put=(), drop=(), author="test", note=""):
    """A change through the desk."""
    return desk.activate(desk.plan(put, drop), author, note)


def new_tmk(hsm):
    return hsm.new_key(Usage.TMK)


__all__ = ["SHOP", "Bin", "activate", "merchant", "new_tmk", "rows_of", "terminal"]
