"""What integration tests and the application need beside them, started for a tree and stopped with the gate."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from forge_dagster.domain.openapi import API_DOCUMENT, API_URL, OpenApiDocument, openapi_document
from forge_dagster.domain.policy_gates import IntegrationSection, ServiceSection
from forge_dagster.domain.redaction import MASK
from forge_dagster.domain.services import (
    COMPOSE_FILES,
    COMPOSE_LIMIT,
    ComposeService,
    WantedServices,
    compose_services,
    wanted_services,
)
from forge_dagster.errors import ServiceFailed, SetupFailed, WorkspaceError
from forge_dagster.gates.suites import tree_text
from forge_dagster.ports import GateContext, environment_folders

Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Passwords that were drawn for this gate, to be blanked in all that it says."""

    known: set[str] = field(default_factory=set)

    def learn(self, variables: Variables) -> None:
        """Remember the passwords in addresses."""
        for value in variables.values():
            with contextlib.suppress(ValueError):
                password = urlsplit(value).password
                if password:
                    self.known.add(password)

    def blanked(self, text: str) -> str:
        """`text` without them."""
        for secret in tuple(self.known):
            text = text.replace(secret, MASK)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Starts what the tree of `context` wants, again for each tree that is asked about (the head's, the base's)."""

    hidden: Hidden = field(default_factory=Hidden)

    @contextlib.contextmanager
    def services(self, context: GateContext) -> Iterator[Variables]:
        """The services of the tree, set up. Raises SetupFailed, WorkspaceError, Interrupted."""
        wanted = wanted_by(context)
        if wanted.missing:
            raise WorkspaceError("; ".join(wanted.missing), hint=wanted.hint)
        with self._started(context, wanted.services, "services", because=wanted.because, hint=wanted.hint) as given:
            yield given

    @contextlib.contextmanager
    def application(self, context: GateContext, around: Variables) -> Iterator[Variables]:
        """The application, listening; the variables that a tool for contracts reads, none where the tree has no document.

        Raises ServiceFailed when it does not come up, WorkspaceError, Interrupted.
        """
        document = document_of(context)
        if document is None or not context.policy.deploy.command:
            yield {}
            return
        section = _application(context)
        with self._started(context, {"application": section}, "application", around=around) as given:
            yield {API_URL: given[API_URL], API_DOCUMENT: document.path}

    @contextlib.contextmanager
    def whole(self, context: GateContext) -> Iterator[Variables]:
        """Services and application at once, as for a tree that is only compared with."""
        with self.services(context) as around, self.application(context, around) as given:
            yield given

    @contextlib.contextmanager
    def _started(
        self,
        context: GateContext,
        services: Mapping[str, ServiceSection],
        name: str,
        *,
        because: str = "",
        hint: str = "",
        around: Variables | None = None,
    ) -> Iterator[Variables]:
        if not services:
            yield {}
            return
        if context.services is None:
            raise WorkspaceError("there is nothing here that could start services", hint="run the gate by `forge check`")
        programs = any(section.command or section.setup for section in services.values())
        with contextlib.ExitStack() as stack:
            try:
                variables, reads = _repository_environment(context) if programs else ({}, ())
                starting = context.services.started(
                    services,
                    root=context.root,
                    folder=context.scratch / name,
                    variables={**variables, **(around or {})},
                    reads=reads,
                    run=context.run,
                    log=lambda line: context.log(self.hidden.blanked(line)),
                )
                given = stack.enter_context(starting)
            except (ServiceFailed, SetupFailed):
                raise
            except WorkspaceError as error:
                why = f" (wanted since {because})" if because else ""
                raise WorkspaceError(f"{error.message}{why}", hint="; ".join(filter(None, (error.hint, hint)))) from error
            self.hidden.learn(given)
            yield given


def wanted_by(context: GateContext) -> WantedServices:
    """The services that the tree of `context` wants under its policy."""
    policy, project = context.policy, context.project
    found = (project, *project.parts)
    dependencies = {
        name
        for part in found
        for side in (part.python, part.node)
        if side is not None
        for name in side.dependencies
    }  # fmt: skip
    file, compose = _compose(context)
    return wanted_services(
        policy.services if "services" in policy.model_fields_set or policy.services else None,
        compose=compose,
        compose_file=file,
        dependencies=dependencies,
        on_path=lambda program: shutil.which(program) is not None,
    )


def document_of(context: GateContext) -> OpenApiDocument | None:
    """The OpenAPI document of the tree, or of what it serves."""
    return openapi_document(context.project, context.policy.section("integration", IntegrationSection).openapi)


def _compose(context: GateContext) -> tuple[str, tuple[ComposeService, ...]]:
    for name in COMPOSE_FILES:
        if name in context.project.files:
            text = tree_text(context.root, name, COMPOSE_LIMIT)
            return name, compose_services(text or "")
    return "", ()


def _application(context: GateContext) -> ServiceSection:
    deploy = context.policy.deploy
    return ServiceSection(
        command=deploy.command,
        # every release has to have the health check, a repository that is deployed nowhere needs none
        ready=deploy.health if "health" in deploy.model_fields_set else None,
        start_timeout=deploy.start_timeout,
        variable=API_URL,
    )


def _repository_environment(context: GateContext) -> tuple[Variables, tuple[Path, ...]]:
    """The variables of the repository's own programs, of all its languages, and the folders that these lie in. Raises
    WorkspaceError when an environment cannot be made.
    """
    variables: dict[str, str] = {}
    path: list[str] = []
    reads: list[Path] = []
    for language in context.project.languages:
        own = context.environments.of(language, root=context.root, project=context.project, log=context.log)
        variables |= own.variables
        reads += environment_folders(own)
        path += [*map(str, own.bin_directories), *own.variables.get("PATH", "").split(os.pathsep)]
    if path:
        variables["PATH"] = os.pathsep.join(dict.fromkeys(filter(None, path)))
    return variables, tuple(reads)
