"""`python -m musictk`."""

from musictk.cli.main import main

main()
