"""What a network HSM says of its keys: one short conversation, for a list or a ceremony."""

import asyncio
import contextlib
import io
from collections.abc import Callable, Iterable
from functools import partial

from posswitch.base.errors import HsmDown, PosswitchError
from posswitch.base.registry import Registry
from posswitch.crypto.commands import CheckKey, Usage, Work
from posswitch.crypto.hostcommands import is_host_key
from posswitch.edge.hsm_link import NetworkHsm
from posswitch.office.checks import NOT_VERIFIED, REFUSED, Asked, Checks
from posswitch.office.desk import Desk
from posswitch.office.places import Place, places_of
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import HsmPlan

_AT_ONCE = 64  # keys asked about in one go: payments need the HSM more
AS_SHOWN = "copy it as the HSM shows it, as a {}"  # what to do about a refused key
_CONNECT_S, _LOOK_S = 3.0, 0.02

WrappedKey = tuple[Usage, bytes]


def checks_for(desk: Desk, keys: Iterable[WrappedKey]) -> Checks:
    """What names these keys: opened here, or asked of the HSM where that has them."""
    plan = desk.config.hsm
    return desk.checks if plan is None else Checks(desk.hsm, asked_of(plan, keys))


def asked_of(plan: HsmPlan, keys: Iterable[WrappedKey]) -> Asked:
    """Check values as the HSM tells them, or that it refuses a key; nothing of keys it is silent about."""
    wanted = list(dict.fromkeys(key for key in keys if is_host_key(key[1])))
    if not wanted:
        return {}
    with contextlib.redirect_stdout(io.StringIO()):  # the pool's log is not for this screen
        return asyncio.run(_conversation(plan, wanted))


def judged_by_hsm(plan: HsmPlan | None, registry: Registry) -> tuple[list[Place], int]:
    """Where keys stand that the HSM refuses, and how many it was not heard about; nothing without an HSM."""
    if plan is None:
        return [], 0
    standing = list(places_of(registry))
    asked = asked_of(plan, ((place.usage, wrapped) for place, wrapped in standing))
    said = [(place, asked.get((place.usage, wrapped), NOT_VERIFIED)) for place, wrapped in standing]
    refused = [place for place, answer in said if answer == REFUSED]
    return refused, sum(answer == NOT_VERIFIED for _, answer in said)


async def _conversation(plan: HsmPlan, keys: list[WrappedKey]) -> Asked:
    hsm = NetworkHsm(plan.links, plan.timeout_s, SystemClock.tick_ns)
    answers: dict[WrappedKey, str] = {}
    hsm.start()
    try:
        if await _serves(hsm, len(plan.links), plan.timeout_s):
            for at in range(0, len(keys), _AT_ONCE):
                before = len(answers)
                await _ask(hsm, keys[at : at + _AT_ONCE], answers)
                if len(answers) == before:  # it has gone silent
                    break
    finally:
        hsm.stop()
    return answers


async def _serves(hsm: NetworkHsm, links: int, timeout_s: float) -> bool:
    """Whether an HSM is there, within the time that connecting and a first answer may take."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CONNECT_S + timeout_s):
            while not hsm.ready:
                if hsm.counts["hsm-refused"] + hsm.counts["hsm-lost"] >= links:  # each has failed once
                    return False
                await asyncio.sleep(_LOOK_S)
    return hsm.ready


async def _ask(hsm: NetworkHsm, keys: list[WrappedKey], answers: dict[WrappedKey, str]) -> None:
    """Asks about some keys and waits for every answer: the pool bounds how long that takes."""
    done = asyncio.Semaphore(0)
    for key in keys:
        hsm.run(
            _work(key),
            partial(_told, answers, key, done.release),
            partial(_failed, answers, key, done.release),
        )
    for _ in keys:
        await done.acquire()


def _work(key: WrappedKey) -> Work[bytes]:
    found: bytes = yield CheckKey(*key)
    return found


def _told(answers: dict[WrappedKey, str], key: WrappedKey, done: Callable[[], None], check: bytes) -> None:
    answers[key] = check.hex().upper()
    done()


def _failed(
    answers: dict[WrappedKey, str], key: WrappedKey, done: Callable[[], None], error: PosswitchError
) -> None:
    if not isinstance(error, HsmDown):
        answers[key] = REFUSED
    done()
