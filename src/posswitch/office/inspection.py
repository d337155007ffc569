"""The daily inspection (巡检): every check as a row of one table, and the reports that were kept."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import clock_text
from posswitch.office import inspection_books as books
from posswitch.office import inspection_node as of_node
from posswitch.office import inspection_terminals as terminals
from posswitch.office.inspection_line import Line, unseen
from posswitch.office.inspection_scene import Scene
from posswitch.office.kept import keep_one

FOLDER, KEPT_MAX = "inspections", 60
_FILE_WORD = "-c FILE"  # in what to do: the configuration's own name stands there


class Check(NamedTuple):
    """One row: its name, how people call it, and what it looks at."""

    name: str
    zh: str
    en: str
    look: Callable[[Scene], Line]


CHECKS = (
    Check("node", "节点", "node", of_node.node),
    Check("links", "线路", "links", of_node.links),
    Check("reversals", "冲正积压", "reversals", of_node.reversals),
    Check("incidents", "异常", "incidents", books.incidents),
    Check("unknowns", "待认定交易", "unknown payments", books.unknowns),
    Check("head", "账本头", "journal's head", of_node.head),
    Check("disk", "磁盘", "disk", of_node.disk),
    Check("capacity", "容量", "capacity", of_node.capacity),
    Check("clock", "时钟", "clock", of_node.clock),
    Check("backup", "备份", "backup", books.backup),
    Check("rehearsal", "恢复演练", "rehearsed restore", books.rehearsal),
    Check("certificates", "证书", "certificates", books.certificates),
    Check("keys", "密钥", "keys", books.keys),
    Check("chip", "终端·芯片", "terminals: chips", terminals.chip),
    Check("failures", "终端·失败", "terminals: failures", terminals.failures),
    Check("firmware", "终端·固件", "terminals: firmware", terminals.firmware),
    Check("drift", "终端·参数", "terminals: parameters", terminals.drift),
    Check("guards", "拦截", "guards", books.guards),
    Check("scan", "安全扫描", "scan", books.scan),
    Check("versions", "版本", "versions", books.known_versions),
)


def inspect(scene: Scene) -> list[Line]:
    """Every check in turn; one that cannot look says so, and the others go on."""
    return [_looked(check, scene) for check in CHECKS]


def _looked(check: Check, scene: Scene) -> Line:
    try:
        line = check.look(scene)
    except OSError as error:
        line = unseen(check.name, f"{error.filename}: {error.strerror}")
    except apsw.Error as error:
        line = unseen(check.name, f"{scene.data}: {type(error).__name__}")
    except (PosswitchError, msgspec.MsgspecError) as error:
        line = unseen(check.name, error)
    named = f"-c {shlex.quote(str(scene.path))}"
    todo = {name: getattr(line, name).replace(_FILE_WORD, named) for name in ("do_zh", "do_en")}
    return msgspec.structs.replace(line, **todo)


def report(scene: Scene, lines: list[Line]) -> dict[str, Any]:
    """The inspection for programs, and as it is kept."""
    names = {check.name: {"check_zh": check.zh, "check_en": check.en} for check in CHECKS}
    plain: list[dict[str, Any]] = [msgspec.to_builtins(line) | names[line.check] for line in lines]
    return {"at": clock_text(scene.now_ns), "node": scene.config.node, "lines": plain}


def keep(data: Path, at_ns: int, document: dict[str, Any]) -> None:
    """Writes a report into the data folder; the oldest leave."""
    keep_one(data, FOLDER, f"{at_ns:020}.json", msgspec.json.encode(document), KEPT_MAX)
