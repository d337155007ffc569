"""guards: whom the guards bar or would bar, since when, why, until when; whether a node runs at all."""

import json
import time

import typer

from posswitch.base.errors import OfficeError
from posswitch.cli.options import AsJson, ConfigFile, Lang, OrLang
from posswitch.journal.vitals import VITALS, read_gauges
from posswitch.office.guards import plain, read_barred, sentence
from posswitch.settings.config import load_config

_NOBODY = "nobody is barred / 没有被拦截的对象"
_NO_NODE = (
    "no node is running: nobody is barred, a start forgets bars / 节点未运行：无人被拦截，启动后不再记得"
)


def guards(config: ConfigFile, as_json: AsJson = False, lang: OrLang = None) -> None:
    """Print whom the guards bar, or in shadow would bar: exit 1 if any, or when no node runs."""
    data = load_config(config, serve=False).data
    if not (data / VITALS).exists():
        raise OfficeError(f"{data}: no node has run here, so nobody knows of bars; start it: posswitch run")
    rows, running, now_ns = read_barred(data), bool(read_gauges(data)), time.time_ns()
    barred = [row for row in rows if row.until_ns > now_ns]
    if as_json:
        ended = [plain(row) for row in rows if row.until_ns <= now_ns]
        told = {"node_running": running, "barred": [plain(row) for row in barred], "ended": ended}
        print(json.dumps(told, ensure_ascii=False))
    elif not barred and running:
        print(_NOBODY)
    else:
        if not running:
            print(_NO_NODE)
        for row in barred:
            for language in [lang] if lang else list(Lang):
                print(sentence(row, language.value, running=running))
    raise typer.Exit(1 if barred or not running else 0)
