"""The inspection's look at terminals: chips that are not read, failures, firmware, parameters that drift."""

from collections import defaultdict
from collections.abc import Iterator

from posswitch.office.drift import read_drift, standing
from posswitch.office.inspection_day import Tally
from posswitch.office.inspection_line import Line, few, said, share
from posswitch.office.inspection_scene import Scene

CHIPS_MIN, PAYMENTS_MIN = 10, 10  # fewer of a terminal say nothing
CHIP_POOR, CHIP_BAD = 0.05, 0.15  # of all payments with chip cards
CHIP_OF_ONE = 0.30
FAILED_OF_ONE, FAILED_MANY = 0.20, 0.10
VERSION_PAYMENTS_MIN, VERSION_TIMES, VERSION_SHARE = 20, 3, 0.10
_MONEY = ("merchant", "currency")


def chip(scene: Scene) -> Line:
    """How many payments with chip cards were not made with the chip."""
    tallies = scene.survey.tallies
    fell, read = (sum(one[at] for one in tallies.values()) for at in (2, 1))
    whole = fell + read
    high = [
        f"{name} {share(one.fell_back, one.fell_back + one.chip)}"
        for name, one in sorted(tallies.items(), key=lambda item: -item[1].fell_back)
        if one.fell_back + one.chip >= CHIPS_MIN and one.fell_back >= CHIP_OF_ONE * (one.fell_back + one.chip)
    ]
    figures = {"share": share(fell, whole), "fell": fell, "whole": whole, "which": few(high) or "-"}
    if whole >= CHIPS_MIN and fell >= CHIP_BAD * whole:
        return said("chip.bad", **figures)
    if high or (whole >= CHIPS_MIN and fell >= CHIP_POOR * whole):
        return said("chip.poor", **figures)
    return said("chip.read", **figures)


def failures(scene: Scene) -> Line:
    """What failed for a technical reason, and at which terminals."""
    tallies = scene.survey.tallies
    payments, failed = (sum(one[at] for one in tallies.values()) for at in (0, 3))
    bad = [
        f"{name} {share(one.failed, one.payments)}"
        for name, one in sorted(tallies.items(), key=lambda item: -item[1].failed)
        if one.payments >= PAYMENTS_MIN and one.failed >= FAILED_OF_ONE * one.payments
    ]
    figures = {
        "share": share(failed, payments), "failed": failed, "payments": payments, "which": few(bad) or "-",
    }  # fmt: skip
    if payments >= PAYMENTS_MIN and failed >= FAILED_MANY * payments:
        return said("failures.many", **figures)
    return said("failures.some" if bad else "failures.few", **figures)


def firmware(scene: Scene) -> Line:
    """Which versions each model has, and whether one of them does far worse than the others."""
    models = _models(scene)
    if bad := list(_worse(models)):
        return said("firmware.bad", which=few(bad))
    mixed = [
        f"{model} ({', '.join(sorted(version or '?' for version in versions))})"
        for model, versions in sorted(models.items())
        if len(versions) > 1
    ]
    if mixed:
        return said("firmware.mixed", which=few(mixed))
    return said("firmware.one", models=len(models))


def _models(scene: Scene) -> dict[str, dict[str, Tally]]:
    """What was tallied of each version of each model that is registered."""
    models: dict[str, dict[str, Tally]] = defaultdict(dict)
    tallies = scene.survey.tallies
    for one in scene.registry.terminals.values():
        if one.model:
            before = models[one.model].get(one.firmware, Tally())
            here = tallies.get(one.id, Tally())
            models[one.model][one.firmware] = Tally(*map(sum, zip(before, here, strict=True)))
    return models


def _worse(models: dict[str, dict[str, Tally]]) -> Iterator[str]:
    for model, versions in sorted(models.items()):
        for version, own in sorted(versions.items()):
            others = [one for at, one in versions.items() if at != version]
            rest = Tally(*map(sum, zip(Tally(), *others, strict=True)))
            if min(own.payments, rest.payments) < VERSION_PAYMENTS_MIN:
                continue
            here, there = (_bad(one) / one.payments for one in (own, rest))
            if here >= VERSION_SHARE and here >= VERSION_TIMES * there:
                yield f"{model} {version or '?'} {here:.0%}/{there:.0%}"


def _bad(one: Tally) -> int:
    return one.failed + one.fell_back


def drift(scene: Scene) -> Line:
    """What terminals send that is not what is registered of them."""
    found = standing(read_drift(scene.data), scene.registry)
    if money := [one for one in found if one.what in _MONEY]:
        return said("drift.money", count=len(money), which=few(f"{one.terminal} {one.what}" for one in money))
    if found:
        return said("drift.some", count=len(found), which=few(f"{one.terminal} {one.what}" for one in found))
    return said("drift.none")
