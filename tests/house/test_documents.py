"""Documents tell the truth: documented commands, options, make targets and links exist."""

import importlib
import re
from functools import cache

import pytest
import typer
from house_documents import broken_calls, broken_links, broken_targets, calls, documents
from house_rules import ROOT

TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
MUST_BE_THERE = ("README.md", "CHANGELOG.md", "GLOSSARY.md", "SECURITY.md")


@cache
def command_tree():
    return typer.main.get_command(importlib.import_module("posswitch.cli.main").app)


@pytest.fixture(params=documents(), ids=lambda path: path.name)
def document(request):
    return request.param


@pytest.mark.parametrize("name", MUST_BE_THERE)
def test_the_documents_are_there(name):
    assert (ROOT / name).exists()


def test_documented_commands_and_options_exist(document):
    text = document.read_text()
    if calls(text, "posswitch"):
        assert broken_calls(text, command_tree()) == []


def test_documented_make_targets_exist(document):
    assert broken_targets(document.read_text(), TARGETS) == []


def test_links_lead_somewhere(document):
    assert broken_links(document.read_text(), document.parent) == []


@pytest.fixture
def small_program():
    app = typer.Typer()

    @app.callback()
    def top(debug: bool = False, level: int = 0):
        pass

    @app.command()
    def demo(seconds: int = 1, port: int = 2):
        pass

    @app.command()
    def check(config: str = typer.Option(..., "-c", "--config")):
        pass

    return typer.main.get_command(app)


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nposswitch demo --kills 3\n```",
        "```sh\n.venv/bin/posswitch dmeo\n```",
        "```sh\nmake setup && posswitch demo --tps 4 # fast\n```",
        "```sh\nposswitch demo \\\n  --tps 4\n```",
        "Run `posswitch demo --tps=4` now.",
        "Run `.venv/bin/posswitch verify -c a/b.toml`.",
        "Run `posswitch --level 3 verify`.",
        "Run `posswitch --debug verify`.",
        "```sh\n$ DEBUG=1 posswitch demo --tps 4\n```",
        "- item\n  ```console\n  $ posswitch check -x a.toml\n  ```",
    ],
)
def test_documented_commands_bite(small_program, text):
    assert len(broken_calls(text, small_program)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nposswitch --debug demo --seconds 3 --port=80 | tee log --append\n```",
        "```sh\nposswitch check -c a.toml; ls --all\n```",
        "```sh\nposswitch --help\n```",
        "Run `posswitch --level 3 demo --port 4`.",
        "The module `posswitch.base` and the word `posswitch`.",
        "```python\nposswitch nonsense\n```",
    ],
)
def test_documented_commands_let_true_ones_be(small_program, text):
    assert broken_calls(text, small_program) == []


@pytest.mark.parametrize(
    "text", ["```sh\nmake tset\n```", "use `make tset`", "```sh\ncd x && make -j2 tset\n```"]
)
def test_documented_targets_bite(text):
    assert broken_targets(text, ["test"]) == ["tset"]


@pytest.mark.parametrize(
    "text", ["[a](no.md)", "![p](img/no.png)", '[a](no.md#part "title")', "[a](<no.md>)"]
)
def test_links_bite(tmp_path, text):
    assert len(broken_links(text, tmp_path)) == 1


def test_links_let_good_ones_be(tmp_path):
    (tmp_path / "yes.md").touch()
    assert (
        broken_links("[a](yes.md#b) [c](https://example.com/x) [d](#here) [e](mailto:a@b.c)", tmp_path) == []
    )
