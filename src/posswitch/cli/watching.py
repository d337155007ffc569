"""Diagnosis wired: the registry's names and sites, the vitals of the node, the words of the first screen."""

import contextlib
from collections.abc import Iterator
from typing import Any

from posswitch.base.registry import Registry
from posswitch.diagnose.headline import first_screen
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.phrases import LANGS
from posswitch.diagnose.places import names_of
from posswitch.diagnose.signals import Site
from posswitch.diagnose.watch import Watch
from posswitch.office.hands import OfficeHands
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config


@contextlib.contextmanager
def watching(settings: Config, registry: Registry, clock: Clock) -> Iterator[Watch]:
    """A watch over the node of this configuration."""
    names = {lang: names_of(registry, lang) for lang in LANGS}

    def say(incidents: list[Incident], speaks: bool) -> dict[str, Any]:
        return first_screen(incidents, names, speaks=speaks)

    watch = Watch(settings.data, sites_of(registry), clock.wall_ns, say, OfficeHands(settings, clock))
    try:
        yield watch
    finally:
        watch.close()


def sites_of(registry: Registry) -> dict[str, Site]:
    """Model, town and source of every terminal."""
    sources = registry.sources.values()
    found: dict[str, Site] = {}
    for terminal in registry.terminals.values():
        merchant = registry.merchants.get(terminal.merchant)
        source = next(
            (
                one.id
                for one in sources
                if terminal.id.startswith(one.terminals or ("\0",))
                or terminal.merchant.startswith(one.merchants or ("\0",))
            ),
            "",
        )
        model = f"{terminal.model} {terminal.firmware}".strip()
        found[terminal.id] = Site(model, merchant.city if merchant is not None else "", source)
    return found
