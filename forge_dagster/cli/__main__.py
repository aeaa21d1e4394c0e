"""`python -m forge_dagster.cli`."""

from forge_dagster.cli.main import main

main()
