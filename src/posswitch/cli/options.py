"""What several commands share: their options, and the configuration they name."""

import getpass
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.errors import ConfigError
from posswitch.settings.config import Config, load_config
from posswitch.sim.city import CONFIG_FILE

ConfigFile = Annotated[Path, typer.Option("-c", "--config", help="The configuration file.")]
OrConfigFile = Annotated[Path | None, typer.Option("-c", "--config", help="The configuration file.")]
OrData = Annotated[Path | None, typer.Option("--data", help="A data folder with its configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


class Lang(StrEnum):
    """The languages of what users read."""

    zh = "zh"
    en = "en"


OrLang = Annotated[Lang | None, typer.Option("--lang", help="Only this language.")]


def user() -> str:
    """Who uses this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return f"uid {os.getuid()}"


def settings_of(config: Path | None, data: Path | None) -> Config:
    """The configuration that `-c FILE` or `--data DIR` names; ConfigError unless it is just one of them."""
    if (config is None) == (data is None):
        raise ConfigError("give either -c FILE or --data DIR")
    return load_config(config or _beside(data or Path()), serve=False)


def _beside(data: Path) -> Path:
    """The configuration of a folder: in it, or beside it when it is the journal's own folder."""
    for folder in (data, data.resolve().parent):
        if (folder / CONFIG_FILE).exists():
            return folder / CONFIG_FILE
    raise ConfigError(f"{data}: no {CONFIG_FILE} in it or beside it; give -c FILE")
