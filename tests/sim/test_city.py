"""The city: its file starts a node, its keys are those of the peers, its cards pay."""

import random
import stat
from pathlib import Path

import pytest

from posswitch.base.card import luhn_ok
from posswitch.base.errors import ConfigError
from posswitch.crypto.ciphers import kcv
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.settings.config import examine, load_config
from posswitch.sim.authority import Authority
from posswitch.sim.city import SECRET_FILE, SHORT_TIMERS, build_city
from posswitch.sim.demo import DemoOptions, run_demo
from posswitch.sim.peers.customer import EXPIRED, ODDITIES, UNKNOWN_RANGE, VALID, Customers, Purchase, pin_of


def test_the_file_is_a_configuration_and_its_keys_are_the_peers(tmp_path: Path) -> None:
    city = build_city(tmp_path, seed=1, terminals=20)
    config = load_config(city.config)
    secret = tmp_path / SECRET_FILE
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    hsm = SoftHsm(bytes.fromhex(secret.read_text()), random.Random(1).randbytes)
    assert config.timers == SHORT_TIMERS
    assert config.listen == city.node
    assert len(config.registry.terminals) == 20
    for plan in city.banks:
        bank = config.registry.banks[plan.id]
        assert hsm.check_value(Usage.ZPK, bank.zpk) == kcv(plan.zpk)
        assert hsm.check_value(Usage.ZAK, bank.zak) == kcv(plan.zak)
        assert [link.port for link in bank.links] == list(plan.line_ports)
    for fitting in city.fittings:
        assert hsm.check_value(Usage.TMK, config.registry.terminals[fitting.terminal].tmk) == kcv(fitting.tmk)
    ports = [city.node.port, *(port for plan in city.banks for port in plan.line_ports)]
    assert len(set(ports)) == len(ports)


def test_a_city_of_tls_has_papers_for_everybody_and_nothing_to_complain_about(tmp_path: Path) -> None:
    city = build_city(tmp_path, seed=1, terminals=24, tls=Authority())
    examined = examine(city.config)
    (note,) = examined.findings
    assert "is a plain file" in note.what
    assert examined.config is not None
    assert examined.config.listen == city.node
    assert str(city.node).startswith("tls://")
    registry = examined.config.registry
    assert all(link.tls for bank in registry.banks.values() for link in bank.links)
    assert [len(bank.certificates) for bank in registry.banks.values()] == [1, 1, 0, 0]
    keys = sorted(city.papers.glob("*.key"))
    assert len(keys) == 1 + 1 + 4 + 12
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert city.context(city.banks[0].id, serves=True) is not None
    assert build_city(tmp_path / "clear", seed=1, terminals=1).context("node", serves=True) is None


def test_two_cities_share_no_key(tmp_path: Path) -> None:
    one = build_city(tmp_path / "one", seed=1, terminals=1)
    two = build_city(tmp_path / "two", seed=1, terminals=1)
    assert one.fittings[0].tmk != two.fittings[0].tmk
    assert (tmp_path / "one" / SECRET_FILE).read_text() != (tmp_path / "two" / SECRET_FILE).read_text()


def test_customers_bring_cards_of_every_bank_and_amounts_that_never_repeat(tmp_path: Path) -> None:
    city = build_city(tmp_path, seed=1, terminals=1)
    config = load_config(city.config)
    queue = Customers(1, city.ranges, random.Random(1))
    served = [queue.next() for _ in range(5_000)]
    assert len({(purchase.pan, purchase.amount_minor) for purchase in served}) == len(served)
    assert len({purchase.amount_minor for purchase in served}) == len(served)
    assert all(luhn_ok(purchase.pan) for purchase in served)
    assert {row.bank if (row := config.registry.bin_of(purchase.pan)) else "" for purchase in served} == {
        *config.registry.banks,
        "",
    }
    odd = {
        "unknown-bin": sum(purchase.pan.startswith(UNKNOWN_RANGE.prefix) for purchase in served),
        "expired": sum(purchase.expiry == EXPIRED for purchase in served),
        "wrong-pin": sum(purchase.pin not in ("", pin_of(1, purchase.pan)) for purchase in served),
        "big": sum(purchase.amount_minor > 9_000_000 for purchase in served),
    }
    assert odd.keys() == {oddity.name for oddity in ODDITIES}
    assert all(count > 10 for count in odd.values()), odd
    assert any(purchase.pin == "" for purchase in served)


def test_amounts_do_not_repeat_when_the_span_is_used_up() -> None:
    queue = Customers(1, (UNKNOWN_RANGE,), random.Random(1))
    amounts = [queue._amount_minor() for _ in range(250_000)]
    queue._served += 1
    assert len(set(amounts)) == len(amounts)


def test_cards_depend_on_the_seed_and_show_nothing() -> None:
    assert pin_of(1, "6290010000000211") == pin_of(1, "6290010000000211")
    assert any(pin_of(1, str(pan)) != pin_of(2, str(pan)) for pan in range(10**15, 10**15 + 9))
    purchase = Purchase("6290010000000211", VALID, "824613", 1234)
    assert purchase.pan not in repr(purchase)
    assert purchase.pin not in repr(purchase)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("kept")
    with pytest.raises(ConfigError, match="not empty"):
        run_demo(DemoOptions(data=tmp_path)).send(None)
    assert (tmp_path / "something").read_text() == "kept"
