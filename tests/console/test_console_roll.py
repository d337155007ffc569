"""Banks that the office has changed come to the screen, without the secret."""

import asyncio
import subprocess
import sys

import pytest
from puppet import watching

from posswitch.base.registry import Line
from posswitch.console import roll
from posswitch.console.roll import amended, registry_now

RENAMED = """[[bank]]
id = "90020000"
name_zh = "乙商业银行"
name_en = "Bank B Limited"
links = ["clear://127.0.0.1:19999"]
contact = "Duty desk"
phone = "021-5550"
lines = ["SH-17/carrier/2000"]
zpk = "{zpk}"
zak = "{zak}"
dialect = "iso87b"
framing = "bin2"
"""


def test_a_bank_that_was_changed_is_called_by_its_new_name(puppet, tmp_path):
    path = puppet.config.data.parent / "posswitch.toml"
    bank = puppet.config.registry.banks["90020000"]
    rows = tmp_path / "rows.toml"
    rows.write_text(RENAMED.format(zpk=bank.zpk.hex(), zak=bank.zak.hex()))
    words = [
        sys.executable,
        "-m",
        "posswitch",
        "registry",
        "import",
        str(rows),
        "-c",
        str(path),
        "--by",
        "me",
    ]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr

    async def play():
        watch = watching(puppet)
        watch.follow("page", lambda scene: None)
        running = asyncio.create_task(watch.run())
        await asyncio.sleep(0.1)
        assert watch.registry.banks["90020000"].name_zh == "乙银行"
        puppet.version = 1
        puppet.period()
        while watch.registry.banks["90020000"].name_zh == "乙银行":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        running.cancel()
        return watch.registry

    registry = asyncio.run(asyncio.wait_for(play(), 30))
    row = registry.banks["90020000"]
    assert (row.name_en, row.contact, row.phone) == ("Bank B Limited", "Duty desk", "021-5550")
    assert row.lines == (Line("SH-17", "carrier", 2000),) and row.zpk == b""
    assert len(registry.banks) == 4 and len(registry.terminals) == 240


@pytest.mark.parametrize("said", [b"", b"{}", b'{"rows": [{"table": "bank"}]}', b'{"rows": 3}', b"no"])
def test_what_cannot_be_read_changes_nothing(puppet, said):
    assert amended(puppet.config.registry, said) is None


def test_who_cannot_be_asked_changes_nothing(puppet, monkeypatch):
    monkeypatch.setattr(roll, "PROGRAM", ("/nonexistent/program",))
    assert asyncio.run(registry_now(puppet.config.data, puppet.config.registry)) is None
    monkeypatch.setattr(roll, "PROGRAM", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(roll, "_SECONDS_MAX", 0.5)
    assert asyncio.run(registry_now(puppet.config.data, puppet.config.registry)) is None
