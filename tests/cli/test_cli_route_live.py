"""A bank is paused and resumed while a node, banks and a terminal talk over TCP."""

import json
import threading
import time

import pytest
from cli_runs import posswitch
from peer_runs import PATIENCE_S, sim_bank, sim_terminal, town

from posswitch.base.card import mask_pan
from posswitch.journal.vitals import read_gauges
from posswitch.office.journal_view import state_of
from posswitch.settings.config import load_config
from posswitch.sim.city import HOST

PAN = "6290010000293584"


def sold(folder, *words):
    """The DE39 of a sale."""
    ran = sim_terminal("--data", folder, "--pan", PAN, "--no-pin", *words, "sale:12.34")
    (sale,) = ran.find(kind="sale", event="exchange")
    return sale["code"]


@pytest.fixture
def route(capsys):
    """`posswitch route WORDS`, which must end well."""

    def run(*words, code=0):
        ended = posswitch(capsys, "route", *map(str, words))
        assert ended.code == code, ended.err + ended.out
        return ended.out

    return run


def explained(route, folder, code=0):
    words = ("--card", mask_pan(PAN), "--amount", "12.34", "--data", folder, "--json")
    return json.loads(route(*words, code=code))


def until(happened):
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_paused_bank_gets_nothing_until_it_is_resumed(tmp_path, route, capsys):
    folder = tmp_path / "town"
    with town(folder) as bank:
        first = bank.city.banks[0].id
        data = bank.city.data
        until(lambda: read_gauges(data).get(f"links_up.{first}"))
        said = explained(route, folder)
        assert (said["node_running"], said["bank"]) == (True, first)
        assert [(one["links"], one["links_all"]) for one in said["banks"]] == [(1, 1)]
        assert said["banks"][0]["burden"] > 0
        assert sold(folder) == "00"
        asked = ("--payment", bank.wait_for(kind="sale", way="in")["rrn"], "--data", folder, "--json")
        said = json.loads(posswitch(capsys, "limits", "card", *map(str, asked)).out)
        assert [(one["limit"], one["used"]) for one in said["allowances"]] == [("card-day", 1234)]
        out = route("pause", first, "--by", "Wang", "--reason", "new host", "--wait", "--data", folder)
        assert out.endswith(f"bank {first}: paused, and nothing is under way / 已暂停，无在途交易\n")
        assert sold(folder) == "91"
        assert explained(route, folder, code=1)["why"] == "the bank is paused: new host"
        route("resume", first, "--by", "Wang", "--data", folder)
        config = load_config(bank.city.config, serve=False)
        until(lambda: state_of(config).registry == 2)
        assert sold(folder) == "00"
        assert len({said["stan"] for said in bank.said if said.get("kind") == "sale"}) == 2


def test_another_bank_takes_over_meanwhile(tmp_path, route, capsys):
    folder = tmp_path / "town"
    with town(folder) as bank:
        one, other, *_ = bank.city.banks
        listen = f"clear://{HOST}:{other.line_ports[0]}"
        zone = ("--zpk", other.zpk.hex(), "--zak", other.zak.hex())
        with sim_bank("--listen", listen, "--id", other.id, "--centre-waits", "2", *zone) as second:
            second.wait_for(kind="sign-on", way="out")
            rows = folder / "routes.toml"
            rows.write_text(f'[[route]]\nid = "both"\nto = ["{one.id}", "{other.id}"]\n')
            assert posswitch(capsys, "registry", "import", rows, "--data", folder).code == 0
            route("pause", one.id, "--by", "Wang", "--reason", "new host", "--wait", "--data", folder)
            until(lambda: read_gauges(bank.city.data).get(f"links_up.{other.id}"))
            said = explained(route, folder)
            assert (said["bank"], [row["shut"] != "" for row in said["banks"]]) == (other.id, [True, False])
            assert sold(folder) == "00"
            assert second.wait_for(kind="sale", way="out", code="00")
        assert not [said for said in bank.said if said.get("kind") == "sale"]
        until(lambda: not read_gauges(bank.city.data).get(f"links_up.{other.id}"))
        said = explained(route, folder, code=1)
        assert [row["shut"] for row in said["banks"]][1] == "no link to the bank"


@pytest.fixture
def selling():
    """A sale that nobody waits for here."""
    sellers = []

    def sell(folder):
        words = ("--data", folder, "--pan", PAN, "--no-pin", "--tries", 1, "--wait", 8, "sale:12.34")
        sellers.append(threading.Thread(target=sim_terminal, args=words))
        sellers[-1].start()

    yield sell
    for seller in sellers:
        seller.join(PATIENCE_S)


def test_a_wait_ends_when_the_reversal_is_answered(tmp_path, route, selling):
    folder = tmp_path / "town"
    with town(folder, "--manners", "silent") as bank:
        first = bank.city.banks[0].id
        selling(folder)
        bank.wait_for(kind="sale", way="in")
        out = route("pause", first, "--by", "Wang", "--reason", "new host", "--wait", "--data", folder)
        lines = out.splitlines()
        assert f"bank {first}: 1 forwarded under way / 在途 1 笔" in lines
        assert lines[-1] == f"bank {first}: paused, and nothing is under way / 已暂停，无在途交易"
        assert bank.wait_for(kind="reversal", way="out")


def test_a_wait_has_an_end(tmp_path, route, selling):
    folder = tmp_path / "town"
    with town(folder, "--manners", "silent,reversal-silent") as bank:
        first = bank.city.banks[0].id
        selling(folder)
        bank.wait_for(kind="sale", way="in")
        words = ("--by", "Wang", "--reason", "new host", "--wait", "--timeout", 4, "--data", folder)
        out = route("pause", first, *words, code=1)
        assert out.endswith("after 4 s: 1 reversing under way; the pause stands / 等待超时，暂停仍有效\n")
        assert explained(route, folder, code=1)["why"] == "the bank is paused: new host"
