"""The only importer of dagster."""
