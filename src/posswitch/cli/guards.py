"""guards: whom the guards bar or would bar, since when, why, until when."""

import json
import time

import typer

from posswitch.cli.options import AsJson, ConfigFile, Lang, OrLang
from posswitch.office.guards import plain, read_barred, sentence
from posswitch.settings.config import load_config

_NOBODY = "nobody is barred / 没有被拦截的对象"


def guards(config: ConfigFile, as_json: AsJson = False, lang: OrLang = None) -> None:
    """Print whom the guards bar, or in shadow would bar: exit 1 if any."""
    rows = read_barred(load_config(config, serve=False).data)
    now_ns = time.time_ns()
    barred = [row for row in rows if row.until_ns > now_ns]
    if as_json:
        ended = [plain(row) for row in rows if row.until_ns <= now_ns]
        print(json.dumps({"barred": [plain(row) for row in barred], "ended": ended}, ensure_ascii=False))
    elif not barred:
        print(_NOBODY)
    else:
        for row in barred:
            for language in [lang] if lang else list(Lang):
                print(sentence(row, language.value))
    raise typer.Exit(1 if barred else 0)
