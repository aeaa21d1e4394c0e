"""Where a repository's OpenAPI document is: a file, or what the running application serves."""

from collections.abc import Collection
from dataclasses import dataclass

from forge_dagster.domain.project import Project

API_URL, API_DOCUMENT = "FORGE_API_URL", "FORGE_API_DOCUMENT"
"""Variables in which a tool finds where the running application is, and where its document (as OpenApiDocument.path)."""

_NAMES = tuple(f"{name}.{ending}" for name in ("openapi", "swagger") for ending in ("json", "yaml", "yml"))
_FOLDERS = ("", "docs", "doc", "api", "openapi", "spec", "schema", "static", "public", "docs/api", "src")
"""Usual places, in order. Elsewhere `[gates.integration] openapi` has to say it."""
_SERVED = {
    "fastapi": "/openapi.json",
    "litestar": "/schema/openapi.json",
    "apiflask": "/openapi.json",
    "connexion": "/openapi.json",
    "quart-schema": "/openapi.json",
    "drf-spectacular": "/api/schema/",
    "django-ninja": "/api/openapi.json",
    "@nestjs/swagger": "/api-json",
    "@fastify/swagger": "/documentation/json",
}
"""Package -> where applications made with it serve their document, as its own documentation begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApiDocument:
    """`path` is relative to the root, or, where the application serves it, begins with "/". `because`: what shows it."""

    path: str
    because: str

    @property
    def served(self) -> bool:
        """Whether the running application has to be asked for it."""
        return self.path.startswith("/")


def openapi_document(project: Project, setting: str | None) -> OpenApiDocument | None:
    """The document that the policy names (a path of the tree, or one that begins with "/" of the application), else the file at
    the most usual place, else what the framework serves; None when nothing shows that there is one.
    """
    if setting is not None:
        return OpenApiDocument(path=setting, because="forge.toml names it in [gates.integration]")
    files = frozenset(project.files)
    for folder in _FOLDERS:
        for name in _NAMES:
            path = f"{folder}/{name}" if folder else name
            if path in files:
                return OpenApiDocument(path=path, because=f"there is {path}")
    return _served(_dependencies(project))


def _served(dependencies: Collection[str]) -> OpenApiDocument | None:
    for package, path in _SERVED.items():
        if package in dependencies:
            return OpenApiDocument(path=path, because=f"{package} is a declared dependency, which serves one at {path}")
    return None


def _dependencies(project: Project) -> frozenset[str]:
    return frozenset().union(*(part.dependencies for part in (project.python, project.node) if part is not None))
