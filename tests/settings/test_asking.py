"""What opens a secret comes from a file, a descriptor or standard input, once, never from a stranger."""

import os
import subprocess
import sys

import pytest
from good_config import PASSPHRASE, SEALED, SECRET

from posswitch.base.errors import ConfigError, SecretRefused, SecretShut
from posswitch.settings.asking import FD_VARIABLE, FILE_VARIABLE, Asker
from posswitch.settings.secret import Opened, write_new

ASK = """
import sys
from posswitch.settings.asking import Asker
asker = Asker()
print([asker.line("?") for _ in range(int(sys.argv[1]))])
print(sys.stdin.read(), end="")
"""


@pytest.fixture
def credential(tmp_path, monkeypatch):
    """A file with two lines, named by the environment."""
    path = tmp_path / "credential"
    path.touch(0o600)
    path.write_text("first line\nsecond\n")
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    return path


def test_a_file_answers_line_by_line_until_it_ends(credential):
    asker = Asker()
    assert [asker.line("?"), asker.new("?")] == ["first line", "second"]
    with pytest.raises(SecretShut, match=f"{FILE_VARIABLE} gives no further line"):
        asker.line("?")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602, 0o666])
def test_a_file_that_others_may_touch_is_refused_unread(credential, mode):
    credential.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as raised:
        Asker().line("?")
    assert "first" not in str(raised.value)


def test_a_credential_of_the_service_manager_may_show_its_access_list(credential, monkeypatch):
    credential.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credential.parent))
    assert Asker().line("?") == "first line"
    for mode in (0o444, 0o460):
        credential.chmod(mode)
        with pytest.raises(ConfigError, match="chmod 600"):
            Asker().line("?")
    credential.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credential.parent / "elsewhere"))
    with pytest.raises(ConfigError, match="chmod 600"):
        Asker().line("?")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(credential):
    os.chown(credential, 12345, 12345)
    with pytest.raises(ConfigError, match="chmod 600"):
        Asker().line("?")


@pytest.mark.parametrize("name", ["gone", "."])
def test_what_is_no_file_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / name))
    with pytest.raises(ConfigError, match=FILE_VARIABLE):
        Asker().line("?")


def test_a_pipe_without_a_writer_holds_nobody_up(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe", 0o600)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "pipe"))
    with pytest.raises(ConfigError, match="not a file"):
        Asker().line("?")


def test_an_answer_is_bounded(credential):
    credential.write_text("x" * 2000 + "\n")
    with pytest.raises(SecretRefused, match="at most 1024") as raised:
        Asker().line("?")
    assert "xx" not in str(raised.value)
    credential.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ConfigError, match="not readable as text"):
        Asker().line("?")


def test_a_descriptor_answers(monkeypatch):
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe\n")
    os.close(writer)
    monkeypatch.setenv(FD_VARIABLE, str(reader))
    asker = Asker()
    assert asker.line("?") == "from a pipe"
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(reader)
    with pytest.raises(SecretShut, match=FD_VARIABLE):
        asker.line("?")


@pytest.mark.parametrize("number", ["", "x", "-1", "999"])
def test_a_descriptor_that_is_none_is_refused(monkeypatch, number):
    monkeypatch.setenv(FD_VARIABLE, number)
    with pytest.raises(ConfigError, match=FD_VARIABLE):
        Asker().line("?")


def asked(count, given):
    environment = {
        name: value for name, value in os.environ.items() if name not in (FILE_VARIABLE, FD_VARIABLE)
    }
    return subprocess.run(
        [sys.executable, "-c", ASK, str(count)], input=given, env=environment, capture_output=True, text=True,
        timeout=20, check=False,
    )  # fmt: skip


def test_standard_input_answers_line_by_line_and_keeps_what_follows():
    ended = asked(2, "one word\r\nzwei W\u00f6rter\nthree\n")
    assert ended.stdout == "['one word', 'zwei W\u00f6rter']\nthree\n"
    assert "SecretShut" in asked(3, "one\ntwo\n").stderr


def test_a_secret_is_opened_once_and_kept(tmp_path, credential):
    credential.write_text(PASSPHRASE + "\n")
    write_new(tmp_path / "secret.key", SEALED)
    opened = Opened(Asker())
    assert opened.needs_asking(tmp_path / "secret.key")
    assert opened.root(tmp_path / "secret.key") == SECRET
    (tmp_path / "secret.key").unlink()
    credential.unlink()
    assert opened.root(tmp_path / "secret.key") == SECRET
    assert not opened.needs_asking(tmp_path / "secret.key")
    assert SECRET.hex() not in repr(opened)


def test_a_wrong_passphrase_says_nothing_of_either(tmp_path, credential):
    credential.write_text(PASSPHRASE + "!\n")
    write_new(tmp_path / "secret.key", SEALED)
    with pytest.raises(SecretRefused) as raised:
        Opened(Asker()).root(tmp_path / "secret.key")
    said = f"{tmp_path / 'secret.key'}: does not open: another passphrase, or the file was changed"
    assert str(raised.value) == said
    assert raised.value.__suppress_context__
