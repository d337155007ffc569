"""sim-bank and sim-terminal around a node: every kind, TLS, refusals, and what people read."""

import pytest
from cli_runs import posswitch
from peer_runs import sim_terminal, town

from posswitch.scheme.kinds import PAYMENTS
from posswitch.settings.config import load_config
from posswitch.sim.authority import Authority
from posswitch.sim.peers.book import read_book

EVERY_KIND = (
    "sign-on", "sale:12.34", "void", "sale:20", "refund:5.00", "balance", "preauth:100", "completion:110",
    "completion-void", "preauth:50", "preauth-void", "preauth:70.01", "completion-notice",
    "offline-sale:7.00",
    "settle", "sign-off",
)  # fmt: skip


@pytest.mark.parametrize("dialect", ["cups", "iso87a", "iso87b"])
def test_every_kind_is_approved_in_every_dialect(tmp_path, dialect):
    ledger, slips = tmp_path / "ledger.jsonl", tmp_path / "slips.jsonl"
    with town(tmp_path / "town", "--ledger", ledger, "--pin", "4321", dialect=dialect) as bank:
        ran = sim_terminal(
            "--data", tmp_path / "town", "--echo", "--pin", "4321", "--slips", slips, *EVERY_KIND
        )
        assert (ran.code, ran.err) == (0, "")
        assert set(ran.steps().values()) == {True}
        assert len(ran.find(event="step")) == len(EVERY_KIND) + 1
        bank.wait_for(kind="offline-sale", way="out", code="00")
        code, err = bank.end()
    assert (code, err) == (0, "")
    assert {said["kind"] for said in bank.find(way="in")} >= {kind.name for kind in PAYMENTS}
    assert [said for said in bank.said if said.get("way") in ("in", "out") and "note" in said] == []
    end = bank.find(event="end")[0]
    assert end["received"] == end["answered"] >= 14
    assert {slip["outcome"] for slip in read_book(slips)} == {"approved"}
    assert sum(entry["kind"] == "post" for entry in read_book(ledger)) == 12
    balance = ran.find(kind="balance")[0]["balances"]
    assert len(balance) == 1
    assert balance[0].startswith("available CNY ")
    totals = ran.find(kind="settlement")[0]["totals"]
    assert totals[0] == "domestic: debit 3 for CNY 97.01, credit 1 for CNY 5.00, balanced"


def test_a_terminal_and_a_bank_alone_speak_tls(tmp_path):
    folder = tmp_path / "town"
    with town(folder, tls=Authority()) as bank:
        ran = sim_terminal("--data", folder, "sale:12.34", "void", "settle")
        assert (ran.code, ran.err) == (0, "")
        assert bank.wait_for(kind="sale", way="out", code="00")
        config = load_config(folder / "posswitch.toml", serve=False)
        own, other, *_ = config.registry.merchants
        till = next(row.id for row in config.registry.terminals.values() if row.merchant == own)
        for merchant, code in ((own, 0), (other, 1)):
            paper, authorities = folder / "tls" / merchant, folder / "tls" / "authority.pem"
            shown = ("--certificate", f"{paper}.pem", "--certificate-key", f"{paper}.key")
            ran = sim_terminal(
                "--data", folder, "--terminal", till, *shown, "--authorities", authorities, "sign-on"
            )
            assert ran.code == code
        assert any("97" in str(said) for said in ran.said)


def test_a_realistic_mix_settles(tmp_path):
    with town(tmp_path):  # whose books are those of a demo
        ran = sim_terminal("--data", tmp_path, "--mix", 40, "--seed", 3, "sign-on", "settle", "sign-off")
    assert ran.code == 0
    assert ran.steps() == {"sign-on": True, "mix 40": True, "settle": True, "sign-off": True}
    assert len({said["kind"] for said in ran.find(event="exchange")}) >= 8
    assert len(list(read_book(tmp_path / "books" / "slips-alone.jsonl"))) == 40


def test_one_run_after_the_other_stays_below_the_limit_of_sign_ons(tmp_path):
    with town(tmp_path):
        runs = [sim_terminal("--data", tmp_path, f"sale:{number}", "settle") for number in (1, 2, 3)]
    assert [run.code for run in runs] == [0, 0, 0]
    assert [[said["code"] for said in run.find(kind="sign-on")] for run in runs] == [["00"]] * 3


def test_a_fixed_code_is_a_decline_and_exit_1(tmp_path):
    with town(tmp_path, "--code", "51") as bank:
        ran = sim_terminal("--data", tmp_path, "sale:12.34", "balance")
        bank.wait_for(mti="0210", code="51", kind="sale")
    assert ran.code == 1
    assert ran.steps() == {"sale:12.34": False, "balance": False}
    (sale,) = ran.find(kind="sale")
    assert (sale["code"], sale["meaning_zh"], sale["amount_minor"]) == ("51", "余额不足。", 1234)


def test_a_silent_bank_is_98_and_a_confirmed_reversal(tmp_path):
    with town(tmp_path, "--manners", "silent") as bank:
        ran = sim_terminal("--data", tmp_path, "sale:12.34")
        bank.wait_for(kind="reversal", way="out")
    assert ran.code == 1
    assert ran.find(kind="sale")[0]["code"] == "98"
    assert ran.find(mti="0400")[0]["code"] == "00"
    assert ran.find(event="step")[0]["why"] == "outcome unknown; its reversal was confirmed"


def test_a_wrong_zak_is_seen_and_said_by_the_bank(tmp_path):
    with town(tmp_path, zak="00" * 16) as bank:
        ran = sim_terminal("--data", tmp_path, "sale:12.34")
        assert bank.wait_for(kind="sale", way="in")["note"] == "its MAC does not fit"
        assert bank.wait_for(kind="sale", way="out")["code"] == "A0"
        bank.end()
    assert ran.code == 1
    assert bank.find(event="end")[0]["bad_mac"] >= 1


def test_lines_for_people_are_masked_and_in_both_languages(tmp_path, capsys):
    with town(tmp_path, "--code", "51"):
        ended = posswitch(capsys, "sim-terminal", "--data", tmp_path, "sale:12.34")
    assert ended.code == 1
    assert "629001******" in ended.out
    assert "余额不足。Not enough money on the account." in ended.out
    assert "✗ sale:12.34: declined" in ended.out
    assert "posswitch: 0 of 1 steps as asked" in ended.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--merchant", "999999999999999"), "sign-on was refused with 03"),
        (("--tmk", "00112233445566778899AABBCCDDEEFF"), "sign-on was granted, but its keys cannot be used"),
    ],
)
def test_a_sign_on_that_gives_no_keys_says_why(tmp_path, words, why):
    with town(tmp_path):
        ran = sim_terminal("--data", tmp_path, *words, "sale:1")
    assert ran.code == 1
    assert ran.find(event="step")[0]["why"] == f"gave up: {why}"
    assert len(ran.find(event="exchange")) == 1


def test_a_terminal_seals_as_it_is_told(tmp_path):
    """The switch knows the terminal's own MAC alone: with another one it is refused."""
    with town(tmp_path):
        own = sim_terminal("--data", tmp_path, "--mac", "cup-ecb", "--pin-block", "iso-0", "sale:12.34")
        other = sim_terminal("--data", tmp_path, "--mac", "x9.9", "sale:12.34")
    assert own.code == 0, own.err
    assert other.code == 1
