"""posswitch secret token: the root goes under a token's key, and the program opens it without a question."""

import pytest
from secret_runs import WORDS, program
from test_cli_sealed_run import started

from posswitch.sim.city import build_city
from soft_token import LIBRARY, PIN, Tokens, needs_softhsm


@pytest.fixture
def tokens(tmp_path):
    needs_softhsm()
    found = Tokens(tmp_path)
    for label in ("one", "two"):
        found.add(label)
    return found


def run(tokens, *words, typed=""):
    return program(*words, typed=typed, SOFTHSM2_CONF=tokens.environment["SOFTHSM2_CONF"])


def put_into(tokens, file, label, typed=""):
    words = ("--label", label, "--library", LIBRARY, "--pin-file", tokens.pin_file)
    return run(tokens, "secret", "token", file, *words, typed=typed)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_secret_goes_under_a_tokens_key_and_opens_by_it(tokens, tmp_path, sealed):
    file = tmp_path / "secret.key"
    made = run(tokens, "secret", "new", file, *(() if sealed else ("--plain",)), typed=f"{WORDS}\n")
    value = made.stdout.strip()[-6:]
    before = file.read_text()
    held = put_into(tokens, file, "one", typed=f"{WORDS}\n")
    assert held.returncode == 0, held.stderr
    assert f"sealed by the token one, check value {value}" in held.stdout
    assert ("destroy every copy of the plain file" in held.stdout) is not sealed
    text = file.read_text()
    assert before.strip().splitlines()[-1] not in text
    assert PIN not in text + held.stdout + held.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    checked = run(tokens, "secret", "check", file)  # nobody is asked
    assert checked.stdout == f"{file}: sealed by the token one, check value {value}\n"
    moved = put_into(tokens, file, "two")
    assert f"sealed by the token two, check value {value}" in moved.stdout
    assert f"check value {value}" in run(tokens, "secret", "seal", file, typed=f"{WORDS}\n").stdout


def test_a_switch_starts_with_its_token_and_not_without(tokens, tmp_path):
    city = build_city(tmp_path / "city", 1, 4)
    assert put_into(tokens, city.folder / "secret.key", "one").returncode == 0
    where = {"SOFTHSM2_CONF": tokens.environment["SOFTHSM2_CONF"]}
    with started(city, **where) as process:
        tokens.folder.rename(tmp_path / "gone")  # it was needed once
        assert process.poll() is None
    tokens.folder.mkdir()
    refused = run(tokens, "run", "-c", city.config)
    assert refused.returncode == 2
    assert "token one: there is no such token" in refused.stderr


def test_without_its_token_it_does_not_open_and_says_why(tokens, tmp_path):
    file = tmp_path / "secret.key"
    run(tokens, "secret", "new", file, "--plain")
    put_into(tokens, file, "one")
    tokens.folder.rename(tmp_path / "gone")
    tokens.folder.mkdir()
    shut = run(tokens, "secret", "check", file)
    assert (shut.returncode, shut.stdout) == (2, "")
    assert shut.stderr == (
        "posswitch: token one: there is no such token; look at its label, and whether it is plugged in\n"
    )


def test_a_token_that_cannot_be_used_leaves_the_file_as_it_was(tokens, tmp_path):
    file = tmp_path / "secret.key"
    run(tokens, "secret", "new", file, "--plain")
    before = file.read_text()
    refused = put_into(tokens, file, "three")
    assert refused.returncode == 2
    assert "token three: there is no such token" in refused.stderr
    assert file.read_text() == before


def test_a_damaged_file_is_named(tokens, tmp_path):
    file = tmp_path / "secret.key"
    run(tokens, "secret", "new", file, "--plain")
    put_into(tokens, file, "one")
    file.write_text(file.read_text()[:-9])
    shut = run(tokens, "secret", "check", file)
    assert shut.returncode == 2
    assert f"{file}: the secret that a token opens is damaged" in shut.stderr
