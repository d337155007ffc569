"""console: the first screen in a browser, for whoever may read the data folder."""

from importlib.util import find_spec
from typing import Annotated

import typer

from posswitch.base.errors import ConfigError
from posswitch.cli.options import ConfigFile


def console(
    config: ConfigFile,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The screen's port; 0: any.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open a browser where there is a desktop.")] = True,
) -> None:
    """Show what is wrong, where and why, in a browser: prints a link that logs in once."""
    if find_spec("nicegui") is None:
        raise ConfigError("the screen needs NiceGUI; install posswitch[console]")
    from posswitch.console.serve import serve  # noqa: PLC0415 - an extra, and slow to import

    serve(config, host, port, browser=browser, out=lambda line: print(line, flush=True))
