"""route pause and resume: a bank gets nothing new for a while, perhaps until it owes nothing."""

import sys
import time
from collections import Counter
from typing import Annotated

import typer

from posswitch.base.errors import OfficeError
from posswitch.base.moment import of_iso
from posswitch.cli.options import OrConfigFile, OrData, settings_of
from posswitch.cli.registry import activate
from posswitch.office.acts import known_name
from posswitch.office.desk import Desk
from posswitch.office.drain import TIMEOUT_S_MAX, UNDER_WAY, Drained, pausing, resuming, under_way
from posswitch.settings.clock import SystemClock

BankOf = Annotated[str, typer.Argument(metavar="BANK", help="The bank's institution number.")]
_LOOK_S = 0.5
By = Annotated[str, typer.Option("--by", callback=known_name, help="Who does it; it is not verified.")]


def pause(
    bank: BankOf,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history, at most 100 letters.")],
    config: OrConfigFile = None,
    data: OrData = None,
    begin: Annotated[str, typer.Option("--from", help="From when on (ISO 8601, Beijing's), else now.")] = "",
    end: Annotated[str, typer.Option("--until", help="Until when, else until it is resumed.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until nothing is under way there.")] = False,
    timeout: Annotated[
        int, typer.Option("--timeout", min=1, max=TIMEOUT_S_MAX, help="With --wait: seconds at most.")
    ] = 600,
) -> None:
    """Let a bank have no new payment: exit 1 when it still owes something at the end of the wait."""
    desk = Desk(settings_of(config, data), SystemClock())
    plan = pausing(desk, bank, begin, end, reason)
    if wait and begin and not plan.errors and of_iso(begin) > desk.now_ns():
        raise OfficeError("--wait: the pause has not begun; leave --from out, or wait when it has")
    activate(desk, plan, f"pause {bank}: {reason}"[:200], by)
    _say(bank, under_way(desk.state, bank))
    if wait:
        raise typer.Exit(
            _drained(Drained(desk.config, bank, desk.version + bool(plan.difference)), bank, timeout)
        )


def _drained(drained: Drained, bank: str, timeout: int) -> int:
    """Waits until the bank owes nothing; the exit code."""
    end_s, told = time.monotonic() + timeout, drained.left
    while drained.left or not drained.in_force:
        if time.monotonic() >= end_s:
            what = f"{_counted(drained.left)} under way" if drained.left else "the node has not taken it up"
            print(f"after {timeout} s: {what}; the pause stands / 等待超时，暂停仍有效")
            return 1
        time.sleep(_LOOK_S)
        try:
            drained.look()
        except OfficeError as error:  # the change is made: 2 would say that nothing was
            print(f"posswitch: {error}", file=sys.stderr)
            return 1
        if drained.left != told:
            told = drained.left
            _say(bank, told)
    print(f"bank {bank}: paused, and nothing is under way / 已暂停，无在途交易")
    return 0


def resume(bank: BankOf, by: By, config: OrConfigFile = None, data: OrData = None) -> None:
    """End a bank's pause."""
    desk = Desk(settings_of(config, data), SystemClock())
    activate(desk, resuming(desk, bank), f"resume {bank}", by)


def _say(bank: str, left: Counter[str]) -> None:
    said = f"{_counted(left) or 'nothing'} under way / 在途 {left.total()} 笔"
    print(f"bank {bank}: {said}", flush=True)


def _counted(left: Counter[str]) -> str:
    return ", ".join(f"{left[state]:,} {state}" for state in UNDER_WAY if left[state])
