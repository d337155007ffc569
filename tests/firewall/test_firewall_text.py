"""The ruleset in words, and the commands around it: nothing unchecked gets in, nobody bans himself."""

import json
import re

import pytest
from cli_runs import one_line, posswitch
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import OfficeError
from posswitch.cli import firewall as firewall_commands
from posswitch.office import firewall_kernel
from posswitch.office.firewall import plan_of, ruleset
from posswitch.office.firewall_bans import read_bans, read_span
from posswitch.settings.config import examine, load_config
from posswitch.settings.networks import read_ip, read_network
from posswitch.sim.city import build_city

NOW_S = 1_700_000_000


@pytest.fixture
def city(tmp_path):
    city = build_city(tmp_path, 1, 2)
    city.data.mkdir(mode=0o700, exist_ok=True)
    return city


def with_words(city, words):
    city.config.write_text(f"{city.config.read_text('utf-8')}\n[firewall]\n{words}\n", "utf-8")
    return city.config


def text_of(path, bans=()):
    config = load_config(path, serve=False)
    return ruleset(config, plan_of(config, config.registry, bans, NOW_S))


def test_both_families_have_their_rules(city):
    text = text_of(with_words(city, 'terminals = ["10.0.0.0/8", "2001:db8::/32"]\nports = []'))
    assert "elements = { 10.0.0.0/8 }" in text
    assert "elements = { 2001:db8::/32 }" in text
    assert f"ip6 saddr @terminals6 tcp dport {city.node.port} jump terminals" in text
    assert "tcp dport { 22 }" not in text
    assert re.search(rf"^\t\ttcp dport {city.node.port}", text, re.MULTILINE) is None


def test_the_table_is_replaced_in_one_step(city):
    text = text_of(city.config)
    assert text.startswith("table inet posswitch\ndelete table inet posswitch\ntable inet posswitch {")
    assert text.count("\ntable ") == 1
    assert "flush" not in text


@pytest.mark.parametrize(
    "hostile",
    [
        "10.0.0.1/8",
        "10.0.0.0/33",
        "fe80::1%eth0",
        "10.0.0.0/8 }; flush ruleset",
        "all",
        "",
        "10.0.0.0/255.0.0.0x",
    ],
)
def test_what_is_no_network_stops_the_configuration(city, hostile):
    examined = examine(with_words(city, f'terminals = ["10.0.0.0/8", "{hostile}"]'), serve=False)
    assert examined.config is None
    (found,) = examined.of("error")
    assert "firewall" in str(found)


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f:./%]{1,20}[ ;}\n]?.{0,20}", fullmatch=True))
def test_whatever_is_read_as_network_or_address_is_written_harmlessly(text):
    for read in (read_network(text), read_ip(text)):
        assert read is None or re.fullmatch(r"[0-9a-f:.]+(%[^/]*)?(/\d+)?", str(read))
    ip = read_ip(text)
    assert ip is None or re.fullmatch(r"[0-9a-f:.]+", str(ip))


def test_ports_are_ports(city):
    assert examine(with_words(city, "ports = [22, 70000]"), serve=False).config is None


def test_a_bank_whose_name_leads_nowhere_is_said(city):
    text = city.config.read_text().replace('"clear://127.0.0.1', '"clear://bank.invalid', 2)
    city.config.write_text(text)
    with pytest.raises(OfficeError, match="leads nowhere"):
        text_of(city.config)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1.2.3", "--for", "1h"), "is no IP address"),
        (("1.2.3.4 }; flush ruleset", "--for", "1h"), "is no IP address"),
        (("fe80::1%eth0", "--for", "1h"), "is no IP address"),
        (("127.0.0.1", "--for", "1h"), "somebody else"),
        (("::ffff:127.0.0.1", "--for", "1h"), "somebody else"),
        (("198.51.100.7", "--for", "1h"), "is where you are"),
        (("203.0.113.9", "--for", "366d"), "--for"),
        (("203.0.113.9", "--for", "0s"), "--for"),
        (("203.0.113.9", "--for", "1h;"), "--for"),
    ],
)
def test_a_ban_that_cannot_be_meant_changes_nothing(capsys, monkeypatch, city, words, said):
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 50000 10.0.0.1 22")
    ended = posswitch(capsys, "firewall", "ban", *words, "--reason", "x", "-c", city.config)
    assert ended.code == 2
    assert said in ended.err
    assert one_line(ended.err)
    assert not (city.data / "bans.json").exists()


def test_a_bank_is_not_banned(capsys, city):
    text = city.config.read_text().replace("clear://127.0.0.1:", "clear://203.0.113.9:")
    city.config.write_text(text.replace(f"clear://203.0.113.9:{city.node.port}", str(city.node), 1))
    ended = posswitch(
        capsys, "firewall", "ban", "203.0.113.9", "--for", "1h", "--reason", "x", "-c", city.config
    )
    assert (ended.code, "is a link of bank" in ended.err) == (2, True)


def test_bans_are_kept_listed_and_end(capsys, monkeypatch, city):
    monkeypatch.setattr(firewall_kernel, "nft", lambda: None)
    words = ("--for", "1h", "--by", "Li", "--reason", "tries cards\x1b[2J\nquickly", "-c", city.config)
    assert posswitch(capsys, "firewall", "ban", "203.0.113.9", *words).code == 0
    out = posswitch(capsys, "firewall", "list", "-c", city.config).out
    assert "203.0.113.9  until " in out
    assert "by Li: tries cards?[2J?quickly" in out
    assert (city.data / "bans.json").stat().st_mode & 0o777 == 0o600
    (ban,) = read_bans(city.data, 0)
    assert read_bans(city.data, ban.until_s) == []
    assert f"203.0.113.9 timeout {ban.until_s - NOW_S}s" in text_of(city.config, [ban])
    assert posswitch(capsys, "firewall", "unban", "203.0.113.9", "-c", city.config).code == 0
    assert json.loads(posswitch(capsys, "firewall", "list", "--json", "-c", city.config).out) == []
    ended = posswitch(capsys, "firewall", "unban", "203.0.113.9", "-c", city.config)
    assert (ended.code, ended.err) == (1, "")
    assert "was not banned" in ended.out


def test_no_data_folder_is_made_that_would_not_be_the_nodes_own(capsys, city):
    city.data.rmdir()
    words = ("203.0.113.9", "--for", "1h", "--reason", "x", "-c", city.config)
    ended = posswitch(capsys, "firewall", "ban", *words)
    assert (ended.code, one_line(ended.err), city.data.exists()) == (2, True, False)


def test_without_nft_it_prints_and_says_what_to_install(capsys, monkeypatch, city):
    monkeypatch.setattr(firewall_commands.kernel, "nft", lambda: None)
    ended = posswitch(capsys, "firewall", "-c", city.config, "--apply")
    assert ended.code == 2
    assert ended.out.startswith("table inet posswitch")
    assert "apt-get install nftables" in ended.err
    shown = json.loads(posswitch(capsys, "firewall", "-c", city.config, "--json").out)
    assert (shown["nft"], shown["applied"], shown["ruleset"]) == (False, False, ended.out)


@pytest.mark.parametrize(
    "words", [(), ("-c", "{config}", "--apply", "--remove"), ("-c", "{config}", "--trial", "5")]
)
def test_what_contradicts_itself_is_refused(capsys, city, words):
    ended = posswitch(capsys, "firewall", *[word.format(config=city.config) for word in words])
    assert (ended.code, one_line(ended.err)) == (2, True)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("365d", 31_536_000)]
)
def test_spans(text, seconds):
    assert read_span(text) == seconds
