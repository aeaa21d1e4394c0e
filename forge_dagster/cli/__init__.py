"""The command `forge`."""

import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Forge uses none, and looking for them reads the metadata of every installed package: 30 ms of a command's start.
