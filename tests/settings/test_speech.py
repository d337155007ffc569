"""What a configuration says of TLS, as values; and who would not be heard."""

import pytest
from good_config import GOOD, SHOP_PAPER, write_config

from posswitch.base.registry import Address, Source
from posswitch.settings.address import is_loopback, read_address
from posswitch.settings.certificates import USUAL_CIPHERS, cipher_fault
from posswitch.settings.config import TlsPlan, examine, load_config
from posswitch.settings.finding import ERROR, NOTE, WARNING

TLS_LISTEN = GOOD.replace("clear://127.0.0.1:9000", "tls://127.0.0.1:9000")


def test_tls_becomes_values(tmp_path):
    config = load_config(write_config(tmp_path, TLS_LISTEN))
    folder = tmp_path / "tls"
    assert config.listen == Address("127.0.0.1", 9000, "tls")
    assert config.tls == TlsPlan(folder / "node.pem", folder / "node.key", folder / "authority.pem")
    assert [str(link) for link in config.registry.banks["01020000"].links] == [
        "clear://127.0.0.1:9001",
        "tls://bank-a.example:7001",
    ]
    assert config.registry.source_of(SHOP_PAPER.fingerprint) == Source(
        "acquirer-1", (SHOP_PAPER.fingerprint,), ("100000",)
    )


def test_a_fingerprint_may_be_written_as_openssl_prints_it(tmp_path):
    pairs = [SHOP_PAPER.fingerprint[at : at + 2].upper() for at in range(0, 64, 2)]
    text = GOOD.replace(SHOP_PAPER.fingerprint, ":".join(pairs))
    text = text.replace('dialect = "cups"', f'certificates = ["{":".join(pairs)}"]\ndialect = "cups"')
    registry = load_config(write_config(tmp_path, text)).registry
    assert registry.sources["acquirer-1"].certificates == (SHOP_PAPER.fingerprint,)
    assert registry.banks["01020000"].certificates == (SHOP_PAPER.fingerprint,)


def test_without_tls_there_is_none_and_no_file_is_looked_for(tmp_path):
    text = GOOD.replace("tls://bank-a.example:7001", "clear://127.0.0.3:7001")
    text = text[: text.index("[tls]")] + text[text.index("[limits]") :]
    examined = examine(write_config(tmp_path, text))
    assert examined.findings == []
    assert examined.config is not None
    assert examined.config.tls is None


def test_files_of_another_machine_are_not_looked_for(tmp_path):
    text = GOOD.replace("tls/node.key", "/etc/gone.key")
    config = load_config(write_config(tmp_path, text), serve=False)
    assert config.tls is not None


@pytest.mark.parametrize(
    ("prefixes", "named"),
    [
        ('terminals = ["100000"]', ""),
        ('merchants = ["8024403"]', ""),
        ('terminals = ["10000001"]', "1 terminal (10000002)"),
        ('merchants = ["999"]\nterminals = ["10000002"]', "1 terminal (10000001)"),
        ('terminals = ["9"]', "2 terminals (10000001, 10000002)"),
    ],
)
def test_terminals_that_nobody_speaks_for_are_named_at_the_listen_address(tmp_path, prefixes, named):
    examined = examine(write_config(tmp_path, TLS_LISTEN.replace('terminals = ["100000"]', prefixes)))
    found = [one for one in examined.findings if one.name == "node.listen"]
    assert [(one.severity, one.line) for one in found] == [(WARNING, 3)] * bool(named)
    assert all(named in one.what for one in found)


@pytest.mark.parametrize(
    ("address", "severity"),
    [
        ("clear://127.0.0.1:1500", ""),
        ("127.0.0.1:1500", NOTE),
        ("clear://10.0.0.5:1500", WARNING),
        ("10.0.0.5:1500", WARNING),
        ("tls://10.0.0.5:1500", ERROR),
    ],
)
def test_an_hsm_is_spoken_to_in_clear_text_and_that_is_said(tmp_path, address, severity):
    text = GOOD.replace("[limits]", f'[hsm]\nlinks = ["{address}"]\n\n[limits]')
    found = [one for one in examine(write_config(tmp_path, text)).findings if one.name == "hsm.links"]
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all(address in one.what for one in found)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tls://a.example:1", Address("a.example", 1, "tls")),
        ("clear://[::1]:1", Address("::1", 1, "clear")),
        ("::1:1", Address("::1", 1)),
        ("tls://::1:1", Address("::1", 1, "tls")),
    ],
)
def test_addresses_are_read_and_come_back(text, address):
    assert read_address(text) == (address, "")
    assert read_address(str(address)) == (address, "")


@pytest.mark.parametrize(
    "text", ["://a:1", "tls:/a:1", "tls://", "tls://:1", "tls://tls://a:1", "http://a:1"]
)
def test_what_is_no_address(text):
    assert read_address(text)[0] is None


def test_which_addresses_stay_on_this_machine():
    here = ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"]
    assert [is_loopback(Address(host, 1)) for host in here] == [True, True, True, True, False]
    assert not any(is_loopback(Address(host, 1)) for host in ("0.0.0.0", "::", "10.0.0.1", "local.example"))


@pytest.mark.parametrize("chosen", [USUAL_CIPHERS, "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE+AESGCM:!DSS"])
def test_strong_ciphers(chosen):
    assert cipher_fault(chosen) == ""


@pytest.mark.parametrize(
    "chosen",
    ["aNULL", "eNULL", "3DES", "AES256-SHA", "ALL", "A,B", "AESGCM", "ADH+AESGCM", "AESGCM\n", "ECDHE RC4"],
)
def test_ciphers_that_are_not(chosen):
    assert cipher_fault(chosen)
