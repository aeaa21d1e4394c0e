"""How the demonstration says that it did not go as told."""

from forge_dagster.errors import ForgeError


class DemoFailed(ForgeError):
    """A step of the story did not come true. `run_url` is the run to look at, where there is one."""

    def __init__(self, message: str, *, hint: str = "", run_url: str = "") -> None:
        super().__init__(message, hint=hint)
        self.run_url = run_url
