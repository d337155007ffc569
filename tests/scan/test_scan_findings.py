"""Every finding: planted, found by a scan, mended by the fix that is printed, and not found any more."""

import socket
import ssl

import msgspec
import pytest
import scan_plants_keys
import scan_plants_lines
import scan_plants_machine
from scan_site import Site

from posswitch.base.registry import Address, Registry
from posswitch.office.scan_finding import Premises, names
from posswitch.office.scan_ports import ports
from posswitch.settings.config import HsmPlan, load_config
from posswitch.sim.authority import Authority

CASES = scan_plants_lines.CASES | scan_plants_keys.CASES | scan_plants_machine.CASES
TLS = ("tls-", "certificate-")


@pytest.fixture
def site(request, tmp_path):
    wanted = request.node.callspec.params.get("name", "") if hasattr(request.node, "callspec") else ""
    one = Site(tmp_path / "site", Authority() if wanted.startswith(TLS) else None)
    with one.running:
        yield one


@pytest.fixture(autouse=True)
def site_folder(tmp_path):
    (tmp_path / "site").mkdir()


def test_every_finding_has_a_case():
    assert sorted(CASES) == sorted(names())


@pytest.mark.parametrize("name", sorted(names()))
def test_planted_found_mended_gone(site, monkeypatch, name):
    CASES[name](site, monkeypatch, name)
    found = site.found(name)
    assert found, name
    for one in found:
        assert one.en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.zh)
        assert "{" not in one.en + one.zh
        site.apply(one)
    assert site.found(name) == []


# Beside the table


def test_the_loopback_ports_of_banks_and_hsms_are_wanted(tmp_path):
    site = Site(tmp_path / "site")
    config = load_config(site.config, serve=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        link = Address("127.0.0.1", port, "clear")
        bank = next(iter(config.registry.banks.values()))
        others = [row for row in config.registry.rows if row is not bank]
        linked = Registry([*others, msgspec.structs.replace(bank, links=(link,))])
        for settings, found in (
            (config, True),
            (msgspec.structs.replace(config, registry=linked), False),
            (msgspec.structs.replace(config, hsm=HsmPlan((link,), 1)), False),
            (msgspec.structs.replace(config, hsm=HsmPlan((link._replace(host="192.0.2.9"),), 1)), True),
        ):
            premises = Premises(site.config, {}, settings, None, 0)
            assert (str(link).rpartition("/")[2] in [one.where for one in ports(premises)]) is found


def test_an_interfaces_own_reverse_path_counts(tmp_path):
    site = Site(tmp_path / "site")
    site.fake_proc()
    conf = site.proc / "sys/net/ipv4/conf"
    (conf / "all" / "rp_filter").write_text("0\n")
    for name, value in (("lo", "0"), ("default", "0"), ("eth0", "2"), ("eth1", "1")):
        (conf / name).mkdir()
        (conf / name / "rp_filter").write_text(f"{value}\n")
    assert site.found("reverse-path") == []
    (conf / "eth1" / "rp_filter").write_text("0\n")
    assert len(site.found("reverse-path")) == 1


def test_a_good_switch_offers_nothing_old_or_weak(tmp_path):
    site = Site(tmp_path / "site", Authority())
    with site.running:
        site.runs(f"posswitch run -c {site.config}")
        assert [one for name in names() if name.startswith("tls-") for one in site.found(name)] == []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # and a good one is let in
        context.load_verify_locations(site.folder / "tls" / "authority.pem")
        context.load_cert_chain(site.folder / "tls" / "acquirer.pem", site.folder / "tls" / "acquirer.key")
        context.check_hostname = False
        with socket.create_connection(site.city.node[:2], 5) as line, context.wrap_socket(line) as spoken:
            assert spoken.version() == "TLSv1.3"
