"""posswitch secret: new, sealed, changed, checked; what opens it is no argument and on no screen."""

import fcntl
import re

import pytest
import typer
from cli_runs import one_line
from secret_runs import WORDS, at_a_terminal, cheaply_sealed, environment, program, seal, shares_of

from posswitch.base.errors import SecretRefused
from posswitch.cli.main import app
from posswitch.crypto.keyfile import is_sealed, read_seal, read_share
from posswitch.settings.asking import FD_VARIABLE, FILE_VARIABLE
from posswitch.settings.secret import replace_secret, text_in, write_new, write_secret

OTHER = "a lighthouse without its keeper"
THIRD = "nobody has ever seen this harbour"
VALUE = re.compile("check value ([0-9A-F]{6})$", re.MULTILINE)


def value(ended):
    assert ended.returncode == 0, ended.stderr
    return VALUE.search(ended.stdout)[1]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "secret.key"


@pytest.fixture
def sealed(file):
    """It is there, sealed with WORDS."""
    write_new(file, cheaply_sealed(bytes(range(32))))


@pytest.fixture
def plain(file):
    """It is there, as everybody can read it."""
    write_secret(file, bytes(range(32)))


def test_a_new_secret_is_sealed_with_a_passphrase_changed_and_checked(file):
    made = value(program("secret", "new", file, typed=f"{WORDS}\n"))
    assert read_seal(file.read_text()).cost.log2_n == 17
    assert file.stat().st_mode & 0o777 == 0o600
    assert value(program("secret", "passphrase", file, typed=f"{WORDS}\n{OTHER}\n")) == made
    assert value(program("secret", "check", file, typed=f"{OTHER}\n")) == made
    refused = program("secret", "check", file, typed=f"{WORDS}\n")
    assert (refused.returncode, refused.stdout) == (2, "")
    said = f"posswitch: {file}: does not open: another passphrase, or the file was changed\n"
    assert refused.stderr == said
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]


def test_a_plain_secret_is_sealed_with_the_same_root(file):
    made = value(program("secret", "new", file, "--plain"))
    root = file.read_text().strip()
    assert len(bytes.fromhex(root)) == 32
    owner = file.stat()
    sealed = program("secret", "seal", file, typed=f"{WORDS}\n")
    assert value(sealed) == made
    assert "destroy every copy of the plain file" in sealed.stdout
    assert root not in file.read_text()
    assert (file.stat().st_mode, file.stat().st_uid) == (owner.st_mode, owner.st_uid)
    assert seal_opens(file, WORDS) == root


def seal_opens(file, words):
    return read_seal(file.read_text()).opened_by_passphrase(words).hex()


def test_two_people_have_a_share_each_and_one_alone_is_refused(file):
    one, two, shown = shares_of("secret", "new", file)
    made = value(program("secret", "check", file, typed=f"{two}\n{one}\n"))
    assert f"check value {made}" in shown
    strange, *_ = shares_of("secret", "new", file.with_name("b"))
    assert read_share(one).number == 1
    for typed, said in {
        f"{one}\n{one}\n": "is one share twice",
        f"{one[:-1]}{'0' if one[-1] != '0' else '1'}\n": "share 1: does not fit its check digits",
        f"{one}\nnone\n": "share 2: is no share",
        f"{one}\n": "gives no line",
        f"{strange}\n{two}\n": "shares of another secret",
    }.items():  # fmt: skip
        ended = program("secret", "check", file, typed=typed)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert one_line(ended.stderr)
        assert said in ended.stderr
        assert one[3:12] not in ended.stderr


def test_shares_and_passphrases_replace_each_other(file):
    one, two, _ = shares_of("secret", "new", file)
    made = value(program("secret", "passphrase", file, typed=f"{one}\n{two}\n{WORDS}\n"))
    *again, shown = shares_of("secret", "seal", file, before=[(f"passphrase of {file}: ", WORDS)])
    assert f"check value {made}" in shown
    assert "destroy" not in shown
    assert again != [one, two]


def test_shares_are_shown_at_a_terminal_alone(file):
    ended = program("secret", "new", file, "--shares")
    assert (ended.returncode, ended.stdout, file.exists()) == (2, "", False)
    assert "shares are shown at a terminal alone" in ended.stderr
    assert one_line(ended.stderr)


def test_through_a_pipe_both_lines_are_compared(file):
    ended = program("secret", "new", file, typed=f"{WORDS}\n{OTHER}\n")
    assert (ended.returncode, ended.stdout, file.exists()) == (2, "", False)
    assert "the two passphrases differ; nothing was changed" in ended.stderr
    assert value(program("secret", "new", file, typed=f"{WORDS}\n{WORDS}\n"))
    assert seal_opens(file, WORDS)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("short\n", "must have 16 to 512 characters"),
        ("a" * 40 + "\n", "must have 5 different characters"),
        ("abab cc abab cc abab\n", "must have 5 different characters"),
        ("\n", "must have 16 to 512 characters"),
        ("", "standard input gives no line"),
        ("x" * 2000 + "\n", "at most 1024 characters"),
    ],
)
def test_a_bad_passphrase_makes_no_file(file, typed, said):
    ended = program("secret", "new", file, typed=typed)
    assert (ended.returncode, ended.stdout, file.exists()) == (2, "", False)
    assert one_line(ended.stderr)
    assert said in ended.stderr
    assert "short" not in ended.stderr


def test_a_file_that_is_there_is_not_overwritten_and_nobody_is_asked(file, plain):
    before = file.read_bytes()
    ended = program("secret", "new", file)
    assert (ended.returncode, file.read_bytes()) == (2, before)
    assert "is there already" in ended.stderr


def test_a_change_that_fails_leaves_the_file_as_it_was(file, sealed):
    before = file.read_bytes()
    for command, typed in (("passphrase", f"{WORDS}\nshort\n"), ("seal", f"{OTHER}\n"), ("passphrase", "")):
        ended = program("secret", command, file, typed=typed)
        assert (ended.returncode, file.read_bytes()) == (2, before)
        assert one_line(ended.stderr)
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("command", ["passphrase", "seal"])
def test_of_two_changes_at_once_the_second_is_refused(file, sealed, command):

    def meanwhile():
        yield f"passphrase of {file}: ", WORDS
        yield "new passphrase, at least 16 characters: ", THIRD
        assert program("secret", command, file, typed=f"{WORDS}\n{OTHER}\n").returncode == 0
        yield "again: ", THIRD

    code, shown = at_a_terminal("secret", command, file, typed=meanwhile())
    assert code == 2
    assert "was changed meanwhile; nothing was written" in shown
    assert "check value" not in shown
    assert seal_opens(file, OTHER)
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]


def test_while_another_program_replaces_it_nothing_is_written(file, plain):
    before = file.read_text()
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SecretRefused, match="changed meanwhile"):
            replace_secret(file, "another", text_in(file))
    assert file.read_text() == before


@pytest.mark.parametrize(
    "words", [("passphrase",), ("new", "--plain", "--shares"), ("seal", "--passphrase", "--shares")]
)
def test_what_makes_no_sense_is_refused(file, plain, words):
    ended = program("secret", words[0], file, *words[1:])
    assert ended.returncode == 2
    assert one_line(ended.stderr)


def test_unattended_it_comes_from_a_file_or_a_descriptor(file, tmp_path):
    credential = tmp_path / "credential"
    credential.touch(0o600)
    credential.write_text(f"{WORDS}\n")
    named = {FILE_VARIABLE: str(credential)}
    made = value(program("secret", "new", file, **named))
    assert value(program("secret", "check", file, **named)) == made
    credential.chmod(0o644)
    refused = program("secret", "check", file, **named)
    assert (refused.returncode, one_line(refused.stderr)) == (2, True)
    assert "chmod 600" in refused.stderr
    with credential.open() as given:
        number = given.fileno()
        assert value(program("secret", "check", file, fds=(number,), **{FD_VARIABLE: str(number)})) == made


def test_at_a_terminal_nothing_that_is_typed_is_shown(file):
    new = "new passphrase, at least 16 characters: "
    code, shown = at_a_terminal("secret", "new", file, typed=[(new, WORDS), ("again: ", WORDS)])
    assert code == 0, shown
    assert "check value" in shown
    assert WORDS not in shown
    code, shown = at_a_terminal("secret", "check", file, typed=[(f"passphrase of {file}: ", OTHER)])
    assert code == 2
    assert OTHER not in shown
    assert shown.splitlines()[-1].endswith("another passphrase, or the file was changed")
    changed = [(f"passphrase of {file}: ", WORDS), (new, OTHER), ("again: ", OTHER + "!")]
    code, shown = at_a_terminal("secret", "passphrase", file, typed=changed)
    assert code == 2
    assert "the two passphrases differ; nothing was changed" in shown
    assert seal_opens(file, WORDS)


def test_at_a_terminal_shares_are_shown_one_after_the_other_and_cleared(file):
    *shares, shown = shares_of("secret", "new", file)
    cleared = "\x1b[2J\x1b[3J\x1b[H"
    screens = shown.split(cleared)
    assert ["\n1: " in screen for screen in screens] == [False, True, False, False, False]
    assert ["\n2: " in screen for screen in screens] == [False, False, False, True, False]
    ask = [(f"share {number} of {file}: ", share) for number, share in enumerate(shares, 1)]
    code, shown = at_a_terminal("secret", "check", file, typed=ask)
    assert code == 0, shown
    assert not any(share in shown for share in shares)


def test_no_command_takes_a_secret_as_an_argument():
    group = typer.main.get_command(app).commands["secret"]
    names = {option for command in group.commands.values() for one in command.params for option in one.opts}
    token = {"--label", "--library", "--pin-file"}
    assert names == {"file", "--passphrase", "--shares", "--plain", *token}


# Other commands with a sealed secret


@pytest.fixture
def config(folder):
    """Of a city whose node has served, and whose secret is sealed now."""
    seal(folder)
    assert is_sealed((folder / "secret.key").read_text())
    return folder / "posswitch.toml"


def test_check_without_a_terminal_asks_nobody_and_says_what_it_left_out(config):
    ended = program("check", "-c", config, typed=f"{WORDS}\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    note, fine = ended.stdout.splitlines()
    assert ": note: node.secret: is sealed, and nobody opened it: neither keys nor journal" in note
    assert FILE_VARIABLE in note
    assert ": fine: " in fine


def test_check_looks_at_everything_when_somebody_opens_the_secret(config, tmp_path):
    config.write_text(config.read_text().replace('zpk = "', 'zpk = "00', 1))
    credential = tmp_path / "credential"
    credential.touch(0o600)
    credential.write_text(f"{WORDS}\n")
    ended = program("check", "-c", config, **{FILE_VARIABLE: str(credential)})
    assert (ended.returncode, "zpk" in ended.stdout) == (1, True)
    code, shown = at_a_terminal("check", "-c", config, typed=[("passphrase of ", WORDS)])
    assert (code, "zpk" in shown, WORDS in shown) == (1, True, False)
    wrong = at_a_terminal("check", "-c", config, typed=[("passphrase of ", OTHER)])
    assert wrong[0] == 2


@pytest.mark.parametrize("words", [("registry", "list"), ("verify",), ("backup", "--to", "copy")])
def test_a_command_that_needs_the_root_asks_once(config, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = program(*words, "-c", config, typed=f"{WORDS}\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert program(*words, "-c", config, typed=f"{OTHER}\n").stderr.endswith("the file was changed\n")


@pytest.mark.parametrize("command", ["batches", "unknowns"])
def test_a_command_that_does_not_need_it_asks_nobody(config, command):
    ended = program(command, "-c", config)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_environment_of_the_tests_has_no_passphrase():
    assert FILE_VARIABLE not in environment()
