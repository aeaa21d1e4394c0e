"""What Forge reads of GitHub's answers: few fields, everything else ignored, so that a new field breaks nothing."""

from pydantic import BaseModel, ConfigDict


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class UserModel(_Read):
    """Account; `type` is User, Bot, Organization or Mannequin."""

    login: str
    type: str = "User"


class SideModel(_Read):
    """Head or base of a pull request."""

    ref: str
    sha: str


class PullModel(_Read):
    """Pull request, from a list (then without `merged`) or on its own."""

    number: int
    title: str
    state: str
    draft: bool = False
    merged: bool | None = None
    merged_at: str | None = None
    merge_commit_sha: str | None = None
    user: UserModel | None = None
    head: SideModel
    base: SideModel

    @property
    def is_merged(self) -> bool:
        """Lists carry only the time."""
        return bool(self.merged) or self.merged_at is not None


class ReviewModel(_Read):
    """A review of a pull request as a whole; `state` in capitals."""

    user: UserModel | None = None
    body: str | None = None
    state: str = ""
    commit_id: str | None = None


class LineCommentModel(_Read):
    """A comment of a review on a line; `line` is None where the line is no longer part of the difference."""

    user: UserModel | None = None
    body: str | None = None
    path: str
    line: int | None = None
    commit_id: str = ""


class _Sha(_Read):
    sha: str


class _Message(_Read):
    message: str


class CommitModel(_Read):
    """Commit."""

    sha: str
    commit: _Message
    parents: tuple[_Sha, ...] = ()


class _Object(_Read):
    sha: str


class RefModel(_Read):
    """Git ref."""

    object: _Object


class ContentModel(_Read):
    """File content. GitHub sends encoding "none" and nothing else for files above 1 MB."""

    type: str
    encoding: str = ""
    content: str = ""


class _OutputModel(_Read):
    annotations_count: int = 0


class CheckModel(_Read):
    """Check run."""

    id: int
    name: str
    external_id: str | None = None
    output: _OutputModel = _OutputModel()


class AnnotationModel(_Read):
    """Annotation of a check run, as far as it tells one from another."""

    path: str
    start_line: int
    message: str | None = None


class CommentModel(_Read):
    """Comment of a pull request."""

    id: int
    body: str | None = None
    user: UserModel | None = None


class StatusModel(_Read):
    """Commit status."""

    context: str
    state: str
    description: str | None = None
    target_url: str | None = None


class DeploymentModel(_Read):
    """Deployment."""

    id: int
    sha: str
    environment: str
    description: str | None = None


class DeploymentStatusModel(_Read):
    """Status of a deployment."""

    state: str
    description: str | None = None
    environment_url: str | None = None


class RepositoryModel(_Read):
    """Repository."""

    full_name: str


class MergeModel(_Read):
    """Answer to a merge."""

    sha: str
    merged: bool


class _Viewer(_Read):
    viewer: UserModel


class ViewerModel(_Read):
    """GraphQL's answer to who is asking."""

    data: _Viewer
