"""The drift report: what terminals send that is not what is registered of them, and what to do."""

from collections.abc import Iterable
from pathlib import Path

import apsw
import msgspec

from posswitch.base.errors import OfficeError
from posswitch.base.registry import Registry, Terminal
from posswitch.edge.beside import read_beside
from posswitch.edge.drift import DRIFT, DRIFT_ROWS_MAX, as_noted
from posswitch.journal.vitals import VITALS

_READ = """SELECT terminal, what, registered, sent, first_ns, last_ns, count FROM drift
ORDER BY terminal, what, last_ns DESC LIMIT ?"""
ALL_KINDS = "*"

# what → its name, what to do; {registered}, {sent}, {terminal} are filled in
_WORDS = {
    "zh": {
        "merchant": (
            "商户号",
            "终端参数有误时，把终端商户号改为 {registered}；商户确已更换时，按新商户号重新登记终端",
        ),
        "currency": ("币种", "把终端币种改为 {registered}；确为外币终端时，修改登记的 currency"),
        "dialect": ("报文规范", "升级终端程序或改用 {registered} 规范"),
        "pin_block": (
            "密码块格式",
            "把终端密码块格式改为 {registered}；终端确为另一种时，修改登记的 pin_block",
        ),
        "kind": ("交易种类", "在终端关闭此交易；业务确已开通时，把它加入登记的 kinds"),
    },
    "en": {
        "merchant": (
            "merchant",
            "set merchant {registered} in the terminal, or register the terminal under its new merchant",
        ),
        "currency": (
            "currency",
            "set currency {registered} in the terminal, or correct its registered currency",
        ),
        "dialect": ("dialect", "make the terminal speak {registered}"),
        "pin_block": (
            "PIN block",
            "make the terminal send PIN block {registered}, or correct its registered pin_block",
        ),
        "kind": ("kind", "switch this kind off in the terminal, or add it to its registered kinds"),
    },
}
SENTENCE = {
    "zh": "{name}：登记 {registered}，终端上送 {sent}；自 {first} 起 {count} 次，最近 {last}。处理：{remedy}",
    "en": "{name}: registered {registered}, sent {sent}; {times} since {first}, last {last}. {remedy}",
}


class Drift(msgspec.Struct, frozen=True):
    """One difference, with when it was first and last seen and how often."""

    terminal: str
    what: str
    registered: str
    sent: str
    first_ns: int
    last_ns: int
    count: int


def read_drift(folder: Path) -> list[Drift]:
    """What the node noted, by terminal; empty without vitals. Raises OfficeError when they cannot be read."""
    try:
        return [Drift(*row) for row in read_beside(folder, DRIFT, _READ, DRIFT_ROWS_MAX)]
    except apsw.Error:
        path = folder / VITALS
        raise OfficeError(f"{path}: cannot be read; it may be deleted while the node is stopped") from None


def standing(noted: Iterable[Drift], registry: Registry) -> list[Drift]:
    """What still differs from the registry as it is now, whose values take the place of older ones."""
    found = []
    for row in noted:
        terminal = registry.terminals.get(row.terminal)
        if terminal is not None and not _agrees(row, terminal):
            found.append(msgspec.structs.replace(row, registered=_registered(row, terminal)))
    return found


def _agrees(row: Drift, terminal: Terminal) -> bool:
    if row.what == "kind":
        return not terminal.kinds or row.sent in terminal.kinds
    return as_noted(_registered(row, terminal)) == row.sent


def _registered(row: Drift, terminal: Terminal) -> str:
    match row.what:
        case "merchant":
            return terminal.merchant
        case "currency":
            return terminal.currency
        case "dialect":
            return terminal.dialect
        case "pin_block":
            return terminal.pin_block
        case "kind":
            return " ".join(terminal.kinds) or ALL_KINDS
    return row.registered


def remedy(row: Drift, lang: str) -> tuple[str, str]:
    """The name of what differs, and what to do about it."""
    name, words = _WORDS[lang].get(row.what, (row.what, ""))
    return name, words.format(registered=row.registered)
