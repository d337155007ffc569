"""A city's configuration, its HSM, and the program as an operator runs it."""

import importlib
import sys
from pathlib import Path

import pytest
from office_ceremony import BANK, PART_1, PART_2

from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.vault import Vault
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import build_city

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

TERMINALS = 20


@pytest.fixture(scope="session")
def blueprint(tmp_path_factory):
    """A city's files, built once."""
    return build_city(tmp_path_factory.mktemp("city"), 1, TERMINALS).folder


@pytest.fixture
def city(blueprint, tmp_path):
    """The folder of a city of its own."""
    folder = tmp_path / "city"
    folder.mkdir()
    for name in ("posswitch.toml", "secret.key"):
        (folder / name).write_bytes((blueprint / name).read_bytes())
    (folder / "secret.key").chmod(0o600)
    return folder


@pytest.fixture
def config(city):
    return load_config(city / "posswitch.toml")


@pytest.fixture
def vault(config):
    return Vault(read_secret(config.secret), SystemClock().entropy)


@pytest.fixture
def hsm(config):
    return SoftHsm(read_secret(config.secret), SystemClock().entropy)


@pytest.fixture
def desk(config):
    """Opens the desk anew at each call: what an operator's next command sees."""
    return lambda: Desk(config, SystemClock())


@pytest.fixture
def registry(capsys, city):
    """`posswitch registry WORDS --data CITY`."""
    posswitch = importlib.import_module("cli_runs").posswitch

    def run(*words):
        return posswitch(capsys, "registry", *map(str, words), "--data", str(city))

    return run


@pytest.fixture
def keys(capsys, city):
    """`posswitch keys WORDS --data CITY`."""
    posswitch = importlib.import_module("cli_runs").posswitch
    return lambda *words: posswitch(capsys, "keys", *words, "--data", city)


@pytest.fixture
def parts(tmp_path):
    """Two parts in files of their owners, as `--part` takes them."""
    words = []
    for name, value in (("Chen", PART_1), ("Wang", PART_2)):
        path = tmp_path / name
        path.write_text(value.hex())
        path.chmod(0o600)
        words += ["--part", f"{name}={path}"]
    return words


@pytest.fixture
def with_zmk(keys, parts):
    """A bank that has a zone master key, by proposal 1 and its confirmation."""
    assert keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts).code == 0
    assert keys("confirm", 1, "--by", "Wang").code == 0
