"""A language model as reviewer, behind any endpoint shaped like OpenAI's or Anthropic's. It is given no tools."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from forge_dagster.agents.reviewers.budget import DailyBudget
from forge_dagster.domain.review import Answer
from forge_dagster.errors import ToolError
from forge_dagster.ports import ReviewRequest

if TYPE_CHECKING:
    from pydantic_ai.models import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReviewer:
    """ports.Reviewer. `key` gives the endpoint's key when it is needed; it reaches nothing but the request's header."""

    kind: Literal["openai", "anthropic"]
    url: str
    model: str
    key: Callable[[], str]
    max_output_tokens: int
    budget: DailyBudget

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def review(self, request: ReviewRequest) -> Answer:
        """One request, and one more where the answer is not the JSON asked for. Raises ToolError."""
        try:
            from pydantic_ai import Agent, PromptedOutput, UsageLimits
            from pydantic_ai.exceptions import AgentRunError, UserError
        except ImportError as error:
            hint = 'install it: pip install "forge-dagster[review]"'
            raise ToolError("what speaks with models is not installed", hint=hint) from error

        self.budget.spend()
        agent = Agent(self._model(), output_type=PromptedOutput(Answer), instructions=request.instructions, retries=1)
        asked = agent.run(
            request.question,
            model_settings={"max_tokens": self.max_output_tokens, "timeout": request.timeout_s},
            usage_limits=UsageLimits(request_limit=2),
        )

        async def within() -> Answer:
            async with asyncio.timeout(request.timeout_s):
                return (await asked).output

        try:
            return asyncio.run(within())
        except TimeoutError as error:
            raise ToolError(f"no answer within {request.timeout_s:.0f} s", hint="raise [gates.review] timeout") from error
        except (AgentRunError, UserError, OSError) as error:
            said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise ToolError(f"the endpoint {self.url} did not answer as it should: {said}", hint="see [reviewer]") from error

    def _model(self) -> "Model":
        if self.kind == "openai":
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            return OpenAIChatModel(self.model, provider=OpenAIProvider(base_url=self.url, api_key=self.key()))
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicModel(self.model, provider=AnthropicProvider(base_url=self.url, api_key=self.key()))
