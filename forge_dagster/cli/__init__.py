"""The command `forge`."""

import gc
import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Forge uses none, and looking for them reads the metadata of every installed package: 30 ms of a command's start.

gc.set_threshold(50_000, 20, 20)
# Starting makes a hundred thousand objects that all stay; looking through them again and again is a fifth of the start.
