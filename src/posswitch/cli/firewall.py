"""firewall: the nftables ruleset of a configuration, loaded on trial or for good; addresses banned."""

import contextlib
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from posswitch.base.errors import ConfigError, OfficeError
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.cli.options import AsJson, ConfigFile, OrConfigFile, user
from posswitch.office import firewall_kernel as kernel
from posswitch.office.firewall import Plan, plan_of, ruleset
from posswitch.office.firewall_bans import Ban, bans_to_change, read_bans, read_span, reason_of
from posswitch.office.standing import desk_unasked
from posswitch.settings.address import is_loopback
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config, load_config
from posswitch.settings.finding import brief
from posswitch.settings.networks import Ip, read_ip

firewall = typer.Typer(
    name="firewall", help="The nftables ruleset of a configuration, and banned addresses.",
    invoke_without_command=True, rich_markup_mode=None,
)  # fmt: skip
_LOADED = "firewall.nft"  # in the data folder: what was loaded last, for the way back from a trial
_CONFIRMED = "yes"
_SAID_MAX = 100
_LOOK_S = 0.2  # how soon the end of the session is seen


@firewall.callback()
def show(
    context: typer.Context,
    config: OrConfigFile = None,
    apply: Annotated[bool, typer.Option("--apply", help="Load it.")] = False,
    trial: Annotated[
        int | None, typer.Option(min=1, max=3600, help="With --apply: seconds to say yes in, else back.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the table away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the ruleset of a configuration; load it in one step, or take it away."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise ConfigError("give -c FILE")
    if (apply and remove) or (trial and not apply):
        raise ConfigError("give --apply, perhaps with --trial, or --remove")
    settings = load_config(config, serve=False)
    text = ruleset(settings, _plan(settings))
    kept = True
    if remove:
        kernel.remove()
        (settings.data / _LOADED).unlink(missing_ok=True)
    elif apply and kernel.nft() is not None:
        kept = _applied(settings, text, trial)
    if as_json:
        there = kernel.nft() is not None
        print(json.dumps({"ruleset": text, "nft": there, "applied": apply and there and kept}))
    elif remove:
        print("the table is gone: nothing is filtered / 防火墙规则已移除")
    elif not apply or kernel.nft() is None:
        print(text, end="")
    if apply and kernel.nft() is None:
        raise OfficeError(f"nft is not installed, nothing was loaded; run: {kernel.INSTALL}")
    raise typer.Exit(0 if kept else 1)


def _plan(settings: Config) -> Plan:
    now_s, desk = _now_s(), desk_unasked(settings, SystemClock())
    if desk is None:
        print(
            "posswitch: the secret is sealed: of the banks only those of the file are known", file=sys.stderr
        )
    registry = desk.registry if desk is not None else settings.registry
    return plan_of(settings, registry, read_bans(settings.data, now_s), now_s)


def _applied(settings: Config, text: str, trial: int | None) -> bool:
    """Loads it; whether it was kept."""
    _warn_of_own_session(settings)
    loaded = settings.data / _LOADED
    before = loaded.read_text("utf-8") if loaded.exists() and kernel.stands() else ""
    kept = False
    with _ends_noted() as ends:
        kernel.load(text)
        try:
            if not kernel.cookies_on():
                print("posswitch: SYN cookies could not be switched on; see posswitch scan", file=sys.stderr)
            kept = trial is None or _confirmed(trial, ends)
        finally:
            if not kept:
                _back_to(settings, before)
    if kept and settings.data.is_dir():
        loaded.touch(mode=0o600)
        loaded.write_text(text, "utf-8")
    said = "the ruleset is loaded / 防火墙规则已生效" if kept else "not confirmed, back / 未确认，已回滚"
    print(f"posswitch: {said}", file=sys.stderr)
    return kept


def _back_to(settings: Config, before: str) -> None:
    """The rules that stood before a trial, or none."""
    if before:
        kernel.load(before)
        _ban_again(settings)
    else:
        kernel.remove()


def _ban_again(settings: Config) -> None:
    """Bans may have come and gone since the ruleset was loaded."""
    for ip, seconds in _plan(settings).bans:
        kernel.banned(ip, seconds)


def _confirmed(seconds: int, ends: threading.Event) -> bool:
    """Whether somebody says yes in time; a session that is cut says no."""
    print(f"loaded for {seconds} s; type {_CONFIRMED} to keep it / 输入 {_CONFIRMED} 保留", file=sys.stderr)
    end, said = time.monotonic() + seconds, b""
    while b"\n" not in said and len(said) < _SAID_MAX and not ends.is_set():
        if (left := end - time.monotonic()) <= 0:
            break
        if select.select([0], [], [], min(left, _LOOK_S))[0]:
            if not (more := os.read(0, _SAID_MAX)):
                break
            said += more
    return said.strip() == _CONFIRMED.encode()


@contextlib.contextmanager
def _ends_noted() -> Iterator[threading.Event]:
    """Whatever would end this process in the block is only noted: the way back is gone to its end."""
    ends = threading.Event()
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    was = {one: signal.signal(one, lambda *_: ends.set()) for one in numbers}
    try:
        yield ends
    finally:
        for one, handler in was.items():
            signal.signal(one, handler)


def _warn_of_own_session(settings: Config) -> None:
    port = os.environ.get("SSH_CONNECTION", "").rpartition(" ")[2]
    if port.isascii() and port.isdecimal() and int(port) not in settings.firewall.ports:
        print(f"posswitch: this session came by port {int(port)}, which is not in [firewall] ports: it "
              "goes on, a new one would not get in", file=sys.stderr)  # fmt: skip


@firewall.command()
def ban(
    address: str,
    config: ConfigFile,
    span: Annotated[str, typer.Option("--for", help="How long: 30m, 1h, 7d.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
) -> None:
    """Let an address in no more, for a time; standing connections are cut, too."""
    settings, ip, seconds = load_config(config, serve=False), _read(address), read_span(span)
    _spare(settings, ip)
    now_s = _now_s()
    entry = Ban(str(ip), now_s, now_s + seconds, reason_of(by or user()), reason_of(reason))
    with bans_to_change(settings.data, now_s) as bans:
        bans[entry.address] = entry
    _tell(ip, seconds)


@firewall.command()
def unban(address: str, config: ConfigFile) -> None:
    """Let an address in again: exit 1 when it was not banned."""
    settings, ip = load_config(config, serve=False), _read(address)
    with bans_to_change(settings.data, _now_s()) as bans:
        there = bans.pop(str(ip), None) is not None
    if not there:
        print(f"{ip}: was not banned; nothing has changed / 未被封禁，无变化")
        raise typer.Exit(1)
    _tell(ip, 0)


@firewall.command("list")
def list_(config: ConfigFile, as_json: AsJson = False) -> None:
    """Who is banned, until when, by whom and why."""
    settings = load_config(config, serve=False)
    bans = read_bans(settings.data, _now_s())
    if as_json:
        print(json.dumps([{name: getattr(one, name) for name in one.__struct_fields__} for one in bans],
                         ensure_ascii=False))  # fmt: skip
        return
    for one in bans:
        print(f"{one.address}  until {clock_text(one.until_s * NS_PER_S)}  by {one.by}: {one.reason}")
    print(f"{len(bans):,} banned / 已封禁 {len(bans):,} 个地址")


def _read(address: str) -> Ip:
    ip = read_ip(address)
    if ip is None:
        raise OfficeError(f"{brief(address)}: is no IP address; write one such as 203.0.113.9")
    return ip


def _spare(settings: Config, ip: Ip) -> None:
    """Neither this machine, nor a bank, nor whoever types this."""
    session = read_ip(os.environ.get("SSH_CONNECTION", "").partition(" ")[0])
    if ip.is_loopback or ip.is_unspecified or ip.is_multicast:
        raise OfficeError(f"{ip}: is not an address of somebody else; nothing was banned")
    if ip == session:
        raise OfficeError(f"{ip}: is where you are; nothing was banned")
    for bank in settings.registry.banks.values():
        if any(read_ip(link.host) == ip and not is_loopback(link) for link in bank.links):
            raise OfficeError(f"{ip}: is a link of bank {bank.id}; take the bank out of the registry instead")


def _tell(ip: Ip, seconds: int) -> None:
    """Has the kernel know at once; without the table a later --apply does."""
    if kernel.nft() is not None and kernel.stands():
        kernel.banned(ip, seconds)
        print(f"{ip}: {f'banned for {seconds} s / 已封禁' if seconds else 'let in again / 已解封'}")
    else:
        print(f"{ip}: noted, the firewall is not loaded: posswitch firewall --apply", file=sys.stderr)


def _now_s() -> int:
    return SystemClock().wall_ns() // NS_PER_S
