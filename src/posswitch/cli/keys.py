"""keys: the life of long-lived keys, from their components to their end."""

import typer

from posswitch.cli.inventory import list_keys

keys = typer.Typer(
    name="keys",
    help="Keys: inventory, ceremonies under dual control, end. Names given with --by are not verified.",
    no_args_is_help=True,
)
keys.command("list")(list_keys)
