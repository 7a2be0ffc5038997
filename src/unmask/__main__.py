"""Lets ``python -m unmask`` run the command line."""

from unmask.cli import main

main()
