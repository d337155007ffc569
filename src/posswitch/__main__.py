"""`python -m posswitch`: the program."""

from posswitch.cli.main import main

main()
