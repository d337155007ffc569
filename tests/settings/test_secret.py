"""The root secret: 32 bytes that only their owner may read, and that no error shows."""

import pytest

from posswitch.base.errors import ConfigError
from posswitch.settings.secret import SECRET_BYTES, read_secret, write_secret

SECRET = bytes(range(SECRET_BYTES))


def test_a_written_secret_is_read_back_and_is_its_owners(tmp_path):
    path = tmp_path / "secret.key"
    write_secret(path, SECRET)
    assert read_secret(path) == SECRET
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_is_never_overwritten(tmp_path):
    path = tmp_path / "secret.key"
    write_secret(path, SECRET)
    with pytest.raises(FileExistsError):
        write_secret(path, bytes(SECRET_BYTES))
    assert read_secret(path) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602, 0o660, 0o777])
def test_a_secret_that_others_may_touch_is_refused(tmp_path, mode):
    path = tmp_path / "secret.key"
    write_secret(path, SECRET)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"chmod 600 .*secret\.key"):
        read_secret(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_of_its_owner_is_read(tmp_path, mode):
    path = tmp_path / "secret.key"
    write_secret(path, SECRET)
    path.chmod(mode)
    assert read_secret(path) == SECRET


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"00" * 31,
        b"00" * 33,
        b"0" * 63,
        b"0123456789abcdefg" * 4,
        b"\xff" * 64,
        "〇".encode() * 64,
    ],
)
def test_what_is_not_64_hex_digits_is_refused_and_not_shown(tmp_path, content):
    path = tmp_path / "secret.key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="64 hex digits") as raised:
        read_secret(path)
    assert "abcdef" not in str(raised.value)


def test_no_secret(tmp_path):
    with pytest.raises(ConfigError, match=r"secret\.key: .* cannot be read"):
        read_secret(tmp_path / "secret.key")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(tmp_path)
