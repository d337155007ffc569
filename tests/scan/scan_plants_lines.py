"""What is wrong with ports, addresses and TLS, planted."""

import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from scan_case import Cases
from scan_site import gone

CASES = Cases()

_LISTENS = """
import socket, time
server = socket.create_server(("%s", 0))
print(server.getsockname()[1], flush=True)
time.sleep(99)
"""


@CASES.of("port-unexpected", "port-local")
def a_listener(site, _monkeypatch, name):
    host = "127.0.0.1" if name == "port-local" else "0.0.0.0"
    process = subprocess.Popen([sys.executable, "-c", _LISTENS % host], stdout=subprocess.PIPE, text=True)
    site.only = f":{process.stdout.readline().strip()}"
    mend = site.apply

    def mended(one):
        assert one.fix == f"ps -fp {process.pid}"  # to be looked at, first
        assert "see whose it is" in one.en
        mend(one)
        process.terminate()
        gone(process)
        process.stdout.close()

    site.apply = mended


@CASES.of("port-everywhere", "clear-terminals")
def listens_on_every_address(site, _monkeypatch, _name):
    site.edit(("clear://127.0.0.1", "clear://0.0.0.0"))


@CASES.of("clear-bank")
def a_bank_elsewhere_in_clear_text(site, _monkeypatch, _name):
    port = site.city.banks[0].line_ports[0]
    site.edit((f"clear://127.0.0.1:{port}", f"clear://203.0.113.7:{port}"))


@CASES.of("trial-setting", "secret-plain", "key-endless")
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


@CASES.of("tls-unseen")
def nobody_listens(_site, _monkeypatch, _name):
    pass


@CASES.of("tls-old", "tls-weak-suite")
def a_front_that_is_weak(site, _monkeypatch, name):
    papers = site.folder / "tls"
    process = site.starts(
        sys.executable, "-c", _ANSWERS, str(site.city.node.port), str(papers / "node.pem"),
        str(papers / "node.key"), *_WEAK[name], says="serving",
    )  # fmt: skip
    stopped_first(site, process)


@CASES.of("tls-not-spoken")
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


@CASES.of("certificate-ended")
def an_old_certificate(site, _monkeypatch, _name):
    paper(site, days=(-30, -1))


@CASES.of("certificate-ends")
def a_certificate_near_its_end(site, _monkeypatch, _name):
    paper(site, days=(-30, 10))


@CASES.of("certificate-weak")
def a_certificate_with_a_short_key(site, _monkeypatch, _name):
    paper(site, key=rsa.generate_private_key(65537, 1024))


@CASES.of("certificate-unreadable")
def a_certificate_that_is_none(site, _monkeypatch, _name):
    (site.folder / "tls" / "node.pem").write_text("nothing")
    renewed(site)


@CASES.of("certificate-self-signed")
def a_certificate_of_its_own(site, _monkeypatch, _name):
    key = ec.generate_private_key(ec.SECP256R1())
    one = x509.load_pem_x509_certificate((site.folder / "tls" / "node.pem").read_bytes())
    built = x509.CertificateBuilder().subject_name(one.subject).issuer_name(one.subject)
    built = built.public_key(key.public_key()).serial_number(1)
    built = built.not_valid_before(one.not_valid_before_utc).not_valid_after(one.not_valid_after_utc)
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (site.folder / "tls" / "node.pem").write_bytes(pem)
    renewed(site)
