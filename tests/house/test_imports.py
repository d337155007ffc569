"""Imports point down only: the contracts of pyproject.toml are kept, and they bite."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from house_rules import ROOT


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the source tree at `root`, whatever is installed."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts_are_kept():
    linted = lint_imports(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "0 broken" in linted.stdout


@pytest.fixture
def skeleton(tmp_path) -> Path:
    """A product of empty packages under the real contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [name for layer in contracts[0]["layers"] for name in layer.split(" | ")]
    for package in ["posswitch", *layers, *contracts[1]["source_modules"]]:
        folder = tmp_path / "src" / package.replace(".", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("package", "planted", "broken"),
    [
        ("cli", "import posswitch.base", 0),
        ("base", "import posswitch.codec", 1),
        ("codec", "import posswitch.crypto", 1),
        ("scheme", "import posswitch.engine", 1),
        ("engine", "def f():\n    import posswitch.journal", 1),
        ("journal", "import posswitch.settings", 1),
        ("sim/peers", "import posswitch.engine", 1),
    ],
)
def test_contracts_bite(skeleton, package, planted, broken):
    (skeleton / "src" / "posswitch" / package / "__init__.py").write_text(planted)
    linted = lint_imports(skeleton)
    assert f"{broken} broken" in linted.stdout, linted.stdout + linted.stderr
    assert linted.returncode == broken
