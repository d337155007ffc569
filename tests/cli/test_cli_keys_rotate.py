"""keys rotate against a running switch: two people's word, and the bank has new keys; payments go on."""

import json
import signal
import subprocess
import sys
import time

from cli_runs import posswitch

PROGRAM = [sys.executable, "-m", "posswitch"]
BANK, OTHER = "90010000", "90020000"


def in_force(capsys, folder):
    """Check values of the zone keys that were exchanged, by place."""
    said = posswitch(capsys, "keys", "list", "--json", "--data", folder)
    return {line["place"]: line["check"] for line in json.loads(said.out)["exchanged"]} if said.out else {}


def until(what):
    deadline = time.monotonic() + 120
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def test_new_zone_keys_by_two_people(capsys, tmp_path):
    folder, report = tmp_path / "city", tmp_path / "report.json"
    words = ["demo", "--seconds", "240", "--tps", "30", "--no-console", "--data", folder, "--report", report]
    with subprocess.Popen([*PROGRAM, *map(str, words)], stdout=subprocess.DEVNULL) as demo:
        until((folder / "data" / "journal.db").exists)
        places = [f"bank/{bank}/{key}" for bank in (BANK, OTHER) for key in ("zpk", "zak")]
        before = until(lambda: (now := in_force(capsys, folder)).keys() >= set(places) and now)
        assert posswitch(capsys, "keys", "rotate", BANK, "--by", "Li", "--data", folder).code == 0
        now = in_force(capsys, folder)  # others may come meanwhile
        assert {place: now[place] for place in places} == {place: before[place] for place in places}
        assert posswitch(capsys, "keys", "confirm", "1", "--by", "Wang", "--data", folder).code == 0
        after = until(
            lambda: (
                all((now := in_force(capsys, folder))[place] != before[place] for place in places[:2]) and now
            )
        )
        demo.send_signal(signal.SIGINT)  # the shops close
        assert demo.wait(timeout=120) == 0
    assert {place: after[place] for place in places[2:]} == {place: before[place] for place in places[2:]}
    count = json.loads(report.read_text())
    assert (count["lost"], count["duplicated"], count["unknown"]) == (0, 0, 0)
    assert count["approved"] > 0
