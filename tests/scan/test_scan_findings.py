"""Every finding: planted, found by a scan, mended by the fix that is printed, and not found any more."""

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from scan_site import PASSPHRASE, Site, gone

from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.office import scan_kernel, scan_versions
from posswitch.office.scan_finding import names
from posswitch.office.scan_versions import Product
from posswitch.settings.config import load_config
from posswitch.settings.secret import KEPT, read_secret
from posswitch.sim.authority import Authority

CASES = {}
TLS = ("tls-", "certificate-")


def case(*of):
    """Marks what plants the findings of these names."""

    def kept(plant):
        CASES.update(dict.fromkeys(of, plant))
        return plant

    return kept


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


# Ports and addresses

_LISTENS = """
import socket, time
server = socket.create_server(("%s", 0))
print(server.getsockname()[1], flush=True)
time.sleep(99)
"""


@case("port-unexpected", "port-local")
def a_listener(site, _monkeypatch, name):
    host = "127.0.0.1" if name == "port-local" else "0.0.0.0"
    process = subprocess.Popen([sys.executable, "-c", _LISTENS % host], stdout=subprocess.PIPE, text=True)
    site.only = f":{process.stdout.readline().strip()}"
    mend = site.apply

    def mended(one):
        assert one.fix == f"kill {process.pid}"
        mend(one)
        gone(process)
        process.stdout.close()

    site.apply = mended


@case("port-everywhere", "clear-terminals")
def listens_on_every_address(site, _monkeypatch, _name):
    site.edit(("clear://127.0.0.1", "clear://0.0.0.0"))


@case("clear-bank")
def a_bank_elsewhere_in_clear_text(site, _monkeypatch, _name):
    port = site.city.banks[0].line_ports[0]
    site.edit((f"clear://127.0.0.1:{port}", f"clear://203.0.113.7:{port}"))


@case("trial-setting", "secret-plain", "key-endless")
def a_city_as_it_is(site, _monkeypatch, name):
    site.only = "bank/90010000/zpk" if name == "key-endless" else ""


# TLS

_ANSWERS = """
import socket, ssl, sys, warnings
warnings.simplefilter("ignore")
port, paper, key, version, ciphers = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion[version]
context.maximum_version = ssl.TLSVersion.TLSv1_2
context.set_ciphers(ciphers + ":@SECLEVEL=0")
context.load_cert_chain(paper, key)
server = socket.create_server(("127.0.0.1", int(port)))
print("serving", flush=True)
while True:
    line = server.accept()[0]
    line.settimeout(2)
    try:
        context.wrap_socket(line, server_side=True).close()
    except OSError:
        line.close()
"""
_TALKS = """
import socket
server = socket.create_server(("127.0.0.1", %d))
print("serving", flush=True)
while True:
    server.accept()[0].sendall(b"SSH-2.0-x\\r\\n")
"""
_WEAK = {"tls-old": ("TLSv1", "ALL"), "tls-weak-suite": ("TLSv1_2", "AES128-SHA:ECDHE-ECDSA-AES128-SHA")}


@case("tls-unseen")
def nobody_listens(_site, _monkeypatch, _name):
    pass


@case("tls-old", "tls-weak-suite")
def a_front_that_is_weak(site, _monkeypatch, name):
    papers = site.folder / "tls"
    process = site.starts(
        sys.executable, "-c", _ANSWERS, str(site.city.node.port), str(papers / "node.pem"),
        str(papers / "node.key"), *_WEAK[name], says="serving",
    )  # fmt: skip
    stopped_first(site, process)


@case("tls-not-spoken")
def something_else_listens(site, _monkeypatch, _name):
    stopped_first(site, site.starts(sys.executable, "-c", _TALKS % site.city.node.port, says="serving"))


def stopped_first(site, process):
    """The other listener leaves before the switch starts."""
    mend = site.apply

    def mended(one):
        if process.poll() is None:
            process.kill()
            process.wait()
            mend(one)

    site.apply = mended


def signed(site, request_file, key_file):
    """What an authority does with the request that the fix has made, and a person with its answer."""
    request = x509.load_pem_x509_csr(request_file.read_bytes())
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert request.public_key() == key.public_key()
    for file in (site.folder / "tls").glob("node.*"):
        file.unlink()
    site.authority.issue("node", ["127.0.0.1"], key=key).written(site.folder / "tls", "node")


def renewed(site):
    mend, papers = site.apply, site.folder / "tls"

    def mended(one):
        mend(one)
        signed(site, papers / "node.csr", papers / "node.new.key")

    site.apply = mended


def paper(site, **more):
    for file in (site.folder / "tls").glob("node.*"):
        file.unlink()
    site.authority.issue("node", ["127.0.0.1"], **more).written(site.folder / "tls", "node")
    renewed(site)


@case("certificate-ended")
def an_old_certificate(site, _monkeypatch, _name):
    paper(site, days=(-30, -1))


@case("certificate-ends")
def a_certificate_near_its_end(site, _monkeypatch, _name):
    paper(site, days=(-30, 10))


@case("certificate-weak")
def a_certificate_with_a_short_key(site, _monkeypatch, _name):
    paper(site, key=rsa.generate_private_key(65537, 1024))


@case("certificate-unreadable")
def a_certificate_that_is_none(site, _monkeypatch, _name):
    (site.folder / "tls" / "node.pem").write_text("nothing")
    renewed(site)


@case("certificate-self-signed")
def a_certificate_of_its_own(site, _monkeypatch, _name):
    key = ec.generate_private_key(ec.SECP256R1())
    one = x509.load_pem_x509_certificate((site.folder / "tls" / "node.pem").read_bytes())
    built = x509.CertificateBuilder().subject_name(one.subject).issuer_name(one.subject)
    built = built.public_key(key.public_key()).serial_number(1)
    built = built.not_valid_before(one.not_valid_before_utc).not_valid_after(one.not_valid_after_utc)
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (site.folder / "tls" / "node.pem").write_bytes(pem)
    renewed(site)


# Files


@case("file-rights")
def files_open_to_others(site, _monkeypatch, _name):
    data = site.folder / "data"
    data.mkdir(exist_ok=True)
    data.chmod(0o755)
    for name in ("journal.db", "office.db", "vitals.db"):
        (data / name).touch()
        (data / name).chmod(0o666)
    (site.folder / "secret.key").chmod(0o644)
    site.config.chmod(0o666)
    found = {Path(one.where).name for one in site.found("file-rights")}
    assert found == {"data", "journal.db", "office.db", "vitals.db", "secret.key", "posswitch.toml"}


@case("file-owner")
def a_file_of_somebody_else(site, _monkeypatch, _name):
    root_only()
    os.chown(site.config, 12345, -1)


@case("folder-rights")
def a_folder_above_that_others_write(site, _monkeypatch, _name):
    site.only = "/site"  # folders of this machine are not the test's to mend
    site.folder.chmod(0o777)


@case("folder-owner")
def a_folder_above_of_somebody_else(site, _monkeypatch, _name):
    root_only()
    site.only = "/site"
    os.chown(site.folder, 12345, -1)


def root_only():
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")


@case("configuration")
def a_configuration_with_a_mistake(site, _monkeypatch, _name):
    site.edit(("[limits]", "[limitz]"))

    def mended(one):
        said = site.sh(one.fix)
        assert said.returncode == 1
        assert "did you mean [limits]?" in said.stdout
        site.edit(("[limitz]", "[limits]"))

    site.apply = mended


# Keys


@case("keys-unseen")
def a_sealed_secret(site, monkeypatch, _name):
    assert site.sh(f"posswitch secret seal {site.folder / 'secret.key'}").returncode == 0
    root = None

    def mended(one):
        nonlocal root
        assert site.sh(one.fix).returncode == 0  # the passphrase opens it; as the supervisor hands it on:
        monkeypatch.setattr(KEPT, "_roots", {})
        KEPT.keep(site.folder / "secret.key", KEPT.root(site.folder / "secret.key"))

    monkeypatch.setattr(KEPT, "_roots", {})
    monkeypatch.setattr(KEPT.asker, "line", lambda _question: PASSPHRASE)
    site.apply = mended


@case("secret-guessable")
def a_secret_that_counts(site, monkeypatch, _name):
    monkeypatch.setattr(KEPT, "_roots", {})
    monkeypatch.setattr(KEPT.asker, "line", lambda _question: PASSPHRASE)
    file = site.folder / "secret.key"
    before = read_secret(file)
    file.write_text(bytes(range(32)).hex())
    mend = site.apply

    def mended(one):
        mend(one)
        new = site.folder / "secret.key.new"
        assert read_secret(new) != before
        new.replace(file)

    site.apply = mended


def other_key(site, clear):
    """Terminal 10000001 gets a key that is no good."""
    config = load_config(site.config, serve=False)
    hsm = SoftHsm(read_secret(config.secret), os.urandom)
    old = config.registry.terminals["10000001"].tmk.hex()
    site.edit((old, hsm.wrap(Usage.TMK, bytes.fromhex(clear)).hex()))


@case("key-weak")
def a_weak_key(site, _monkeypatch, _name):
    other_key(site, "0101010101010101FEFEFEFEFEFEFEFE")


@case("key-published")
def a_published_key(site, _monkeypatch, _name):
    other_key(site, "0123456789ABCDEFFEDCBA9876543210")


def ends(site, days):
    place = "terminal/10000001/tmk"
    said = site.sh(
        f"posswitch keys expire {place} --on $(date -d +{days}days +%F) --by Chen -c {site.config}"
    )
    assert said.returncode == 0, said.stderr
    site.confirmed()


@case("key-ends")
def a_key_near_its_end(site, _monkeypatch, _name):
    ends(site, 20)


@case("key-ended")
def a_key_behind_its_end(site, _monkeypatch, _name):
    ends(site, 20)
    site.days = 25


@case("key-old")
def a_key_that_came_long_ago(site, _monkeypatch, _name):
    onboard = "posswitch registry onboard 10000001 --merchant 802440354110001 --show-components"
    for line in ("posswitch registry remove terminal 10000001", onboard):
        said = site.sh(f"{line} -c {site.config}")
        assert said.returncode == 0, said.stderr
    site.days = 400
    mend = site.apply

    def mended(one):
        mend(one)
        site.days = 0  # the new key came now

    site.apply = mended


@case("zone-key-fixed")
def a_bank_without_a_zmk(site, _monkeypatch, _name):
    site.only = "90010000"
    mend = site.apply

    def mended(one):
        parts = [site.folder / f"{name}-{one.where.split()[1]}.part" for name in ("chen", "wang")]
        to = " ".join(f"--to {part}" for part in parts)
        said = site.sh(f"posswitch keys components ZMK --parts 2 --by Chen -c {site.config} {to}")
        assert said.returncode == 0, said.stderr
        site.confirmed()
        brought = f" --part Chen={parts[0]} --part Wang={parts[1]}"
        mend(type(one)(**{**{f: getattr(one, f) for f in one.__struct_fields__}, "fix": one.fix + brought}))

    site.apply = mended


@case("exchange-off")
def keys_that_are_exchanged_only_when_asked(site, _monkeypatch, _name):
    config = load_config(site.config, serve=False)
    hsm = SoftHsm(read_secret(config.secret), os.urandom)
    zmk = hsm.new_key(Usage.ZMK).hex()
    site.edit(("[[bank]]\n", f'[[bank]]\nzmk = "{zmk}"\n'))
    site.config.write_text(site.config.read_text() + "\n[keys]\nexchange_hours = 0\n")


# The machine


@case("syn-cookies", "reverse-path", "ptrace", "core-files", "setting-unseen")
def a_setting_that_is_wrong(site, _monkeypatch, name):
    site.fake_proc()
    for one in scan_kernel.SETTINGS:
        if one.name == name:
            (site.proc / one.file).write_text("core\n" if name == "core-files" else "0\n")
        elif name == "setting-unseen" and one.name == "ptrace":
            (site.proc / one.file).unlink()


@case("swap")
def a_machine_that_swaps(site, _monkeypatch, _name):
    site.fake_proc()
    (site.proc / "swaps").write_text("Filename\n/dev/vda2\n")


@case("open-files")
def a_node_that_may_open_few_files(site, _monkeypatch, _name):
    process = site.starts("sh", "-c", "ulimit -S -n 256; echo; exec sleep 60")
    (site.folder / "data").mkdir(exist_ok=True)
    (site.folder / "data" / "node.pid").write_text(str(process.pid))


@case("clock-unsynchronised")
def a_clock_that_follows_nobody(site, monkeypatch, _name):
    flag = site.folder / "synchronised"
    monkeypatch.setattr(scan_kernel, "clock_state", lambda: 0 if flag.exists() else 5)


@case("version-holed")
def a_library_with_a_hole(site, monkeypatch, _name):
    def installed():
        newer = (site.folder / "upgraded-cryptography").exists()
        yield Product(
            "cryptography", "50.0.2" if newer else "46.0.6", "python3 -m pip install --upgrade cryptography"
        )
        yield Product("something", "0", "")

    monkeypatch.setattr(scan_versions, "installed", installed)


@case("holes-old")
def a_list_that_is_old(site, monkeypatch, _name):
    shipped = scan_versions.holes()
    site.days = (shipped.as_of.toordinal() - scan_versions.date.today().toordinal()) + 100
    mend = site.apply

    def mended(one):
        mend(one)
        assert (site.folder / "upgraded-posswitch").exists()
        site.days -= 100  # as if the new release had a list of that day

    site.apply = mended


# Beside the table


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
