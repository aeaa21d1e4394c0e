"""Checkouts with real git: what is judged is base and head merged, under the base's policy, and nothing escapes."""

import shutil
import threading
from pathlib import Path
from typing import cast

import pytest

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.graph import Job
from forge_dagster.errors import ConfigurationError, Conflict, RevisionGone, UsageError
from forge_dagster.ports import Checkout, GitHost
from forge_dagster.workspace.checkout import LocalWorkspace, local_checkout, repository_path
from forge_dagster.workspace.git import GitRepository, init_bare
from forge_dagster.workspace.git_names import checked_ref
from forge_dagster.workspace.kept_trees import KEPT
from forge_dagster.workspace.processes import ProcessRun
from tests.fakes.git_host import FolderHost
from tests.support.repositories import TestRepository


@pytest.fixture
def run(tmp_path: Path) -> ProcessRun:
    return ProcessRun(home=tmp_path / "home", run_id="test")


@pytest.fixture
def origin(tmp_path: Path) -> TestRepository:
    repository = TestRepository(tmp_path / "origin")
    repository.commit("start", **{"a.py": "one\ntwo\n", "forge.toml": "[gates.lint]\nenabled = false\n", "README": "r\n"})
    repository.git("tag", "v1")
    return repository


@pytest.fixture
def workspace(tmp_path: Path, run: ProcessRun) -> LocalWorkspace:
    return LocalWorkspace(tmp_path / "home", run)


def attempt_of(head: str, **more: object) -> Attempt:
    values = {"id": 7, "repository": "o/r", "job": Job.CHANGE, "number": 3, "base_ref": "main", "policy_digest": "p", **more}
    return Attempt.model_validate({**values, "head_sha": head})


def checkout(workspace: LocalWorkspace, origin: TestRepository, attempt: Attempt) -> Checkout:
    return workspace.checkout(attempt, cast(GitHost, FolderHost(origin)), log=lambda _: None)


def branch(origin: TestRepository, name: str = "work") -> None:
    origin.git("checkout", "--quiet", "-b", name)


def test_change_is_head_merged_into_the_base_tip(workspace: LocalWorkspace, origin: TestRepository) -> None:
    branch(origin)
    head = origin.commit(
        "work", **{"a.py": "one\ntwo\nthree\n", "forge.toml": "[gates.lint]\nenabled = true\n", "b/c.py": "new\n"}
    )
    origin.git("checkout", "--quiet", "main")
    tip = origin.commit("meanwhile", README="other\n")
    found = checkout(workspace, origin, attempt_of(head))
    assert (found.root / "README").read_text() == "other\n"
    assert (found.root / "a.py").read_text() == "one\ntwo\nthree\n"
    assert (found.change.base_sha, found.change.head_sha) == (tip, head)
    assert {file.path: sorted(file.added_lines) for file in found.change.files} == {
        "a.py": [3],
        "b/c.py": [1],
        "forge.toml": [2],
    }
    assert found.project.files == ("README", "a.py", "b/c.py", "forge.toml")
    assert not found.policy.gate("lint").enabled, "the policy is the base's, not the change's"
    tree = TestRepository.__new__(TestRepository)
    tree.path = found.root
    assert tree.git("rev-parse", "HEAD^{tree}") == found.tested_tree
    assert tree.git("rev-parse", "HEAD^1", "HEAD^2").split() == [tip, head]
    assert tree.git("status", "--porcelain") == ""
    assert tree.git("describe", "--tags", "--abbrev=0") == "v1"
    assert found.base is not None
    with found.base() as base:
        assert (base / "a.py").read_text() == "one\ntwo\n"
        tree.path = base
        assert tree.git("describe", "--tags", "--abbrev=0") == "v1"
    assert not base.exists()


def test_made_once_for_all_gates_and_threads(tmp_path: Path, origin: TestRepository) -> None:
    branch(origin)
    attempt = attempt_of(origin.commit("work", **{"a.py": "1\n"}))
    host = FolderHost(origin)
    found: list[Checkout] = []

    def gate(number: int) -> None:
        own = LocalWorkspace(tmp_path / "home", ProcessRun(home=tmp_path / "home", run_id=f"gate{number}"))
        found.append(own.checkout(attempt, cast(GitHost, host), log=lambda _: None))

    threads = [threading.Thread(target=gate, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({(one.root, one.tested_tree, one.change) for one in found}) == 1
    assert len(found) == 8
    assert host.fetches == 1


def test_the_base_is_settled_by_the_first_gate(
    workspace: LocalWorkspace, origin: TestRepository, tmp_path: Path, run: ProcessRun
) -> None:
    branch(origin)
    head = origin.commit("work", **{"a.py": "1\n"})
    first = checkout(workspace, origin, attempt_of(head))
    origin.git("checkout", "--quiet", "main")
    origin.commit("moved", README="moved\n")
    attempt = attempt_of(head, base_sha=first.change.base_sha)
    again = checkout(LocalWorkspace(tmp_path / "home", run), origin, attempt)
    assert again.tested_tree == first.tested_tree


def test_a_half_made_checkout_is_made_anew(
    workspace: LocalWorkspace, origin: TestRepository, tmp_path: Path, run: ProcessRun
) -> None:
    branch(origin)
    attempt = attempt_of(origin.commit("work", **{"a.py": "1\n"}))
    root = checkout(workspace, origin, attempt).root
    (root.parent / "checkout.json").unlink()
    (root / "a.py").write_text("half")
    again = checkout(LocalWorkspace(tmp_path / "home", run), origin, attempt)
    assert (again.root / "a.py").read_text() == "1\n"


def test_conflict_names_the_paths(workspace: LocalWorkspace, origin: TestRepository) -> None:
    branch(origin)
    head = origin.commit("work", **{"a.py": "mine\n"})
    origin.git("checkout", "--quiet", "main")
    tip = origin.commit("theirs", **{"a.py": "theirs\n"})
    with pytest.raises(Conflict, match=r"conflicts.* in: a\.py") as caught:
        checkout(workspace, origin, attempt_of(head))
    assert "rebase" in caught.value.hint
    assert workspace.merged_tree(attempt_of(head), cast(GitHost, FolderHost(origin)), base_sha=tip) is None


def test_vanished_commit_and_branch(workspace: LocalWorkspace, origin: TestRepository) -> None:
    with pytest.raises(RevisionGone, match="0123456789ab"):
        checkout(workspace, origin, attempt_of("0123456789abcdef" * 2 + "01234567"))
    with pytest.raises(RevisionGone, match="no branch absent"):
        checkout(workspace, origin, attempt_of(origin.git("rev-parse", "HEAD"), base_ref="absent"))


def test_a_force_pushed_head_is_found_by_its_pull_request(workspace: LocalWorkspace, origin: TestRepository) -> None:
    branch(origin)
    head = origin.commit("work", **{"a.py": "1\n"})
    origin.git("update-ref", "refs/pull/3/head", head)
    origin.git("checkout", "--quiet", "main")
    origin.git("branch", "-D", "work")
    assert checkout(workspace, origin, attempt_of(head)).change.head_sha == head


def test_release_is_the_commit_itself_under_its_own_policy(workspace: LocalWorkspace, origin: TestRepository) -> None:
    head = origin.commit("release", **{"forge.toml": "[gates.types]\nenabled = false\n"})
    origin.commit("later", **{"a.py": "later\n"})
    found = checkout(workspace, origin, attempt_of(head, job=Job.RELEASE, number=None))
    assert (found.root / "a.py").read_text() == "one\ntwo\n"
    assert not found.policy.gate("types").enabled
    assert found.tested_tree == origin.git("rev-parse", f"{head}^{{tree}}")
    assert (found.change.base_sha, found.change.files, found.base) == (None, (), None)


def test_merged_tree_of_a_landed_merge_is_that_of_the_base(workspace: LocalWorkspace, origin: TestRepository) -> None:
    branch(origin)
    attempt = attempt_of(origin.commit("work", **{"a.py": "1\n"}))
    host = cast(GitHost, FolderHost(origin))
    before = workspace.merged_tree(attempt, host, base_sha=origin.git("rev-parse", "main"))
    assert before == checkout(workspace, origin, attempt).tested_tree
    origin.git("checkout", "--quiet", "main")
    origin.git("merge", "--quiet", "--no-ff", "work")
    landed = origin.commit("later", README="x")
    assert workspace.merged_tree(attempt, host, base_sha=landed) == origin.git("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[gates", "not valid TOML"), ("[gates.lnt]\n", 'did you mean "lint"'), ("[deploy]\nplatfrom = 1\n", "platfrom")],
)
def test_a_broken_policy_is_refused_by_name(workspace: LocalWorkspace, origin: TestRepository, text: str, message: str) -> None:
    origin.commit("policy", **{"forge.toml": text})
    branch(origin)
    head = origin.commit("work", **{"a.py": "1\n"})
    with pytest.raises(ConfigurationError, match=message):
        checkout(workspace, origin, attempt_of(head))


def test_attributes_of_the_change_hide_nothing_from_the_diff(workspace: LocalWorkspace, origin: TestRepository) -> None:
    branch(origin)
    head = origin.commit("work", **{"a.py": "one\ntwo\nevil\n", ".gitattributes": "*.py -diff binary\n* filter=evil\n"})
    found = checkout(workspace, origin, attempt_of(head))
    changed = {file.path: file for file in found.change.files}
    assert (changed["a.py"].binary, changed["a.py"].added_lines) == (False, frozenset({3}))


HOSTILE = [
    b"sp ace.py",
    b"q\"uo'te.py",
    b"new\nline.py",
    b"\xff\xfe.py",
    b"-rf",
    b"--output=x",
    b"caf\xc3\xa9.py",
    b"$(touch x)",
    b"a\tb",
]


def test_hostile_names(workspace: LocalWorkspace, origin: TestRepository) -> None:
    branch(origin)
    for name in HOSTILE:
        origin.write(name, b"x\n")
    origin.write("binary", b"\0\1")
    (origin.path / "out").symlink_to("/etc/passwd")
    (origin.path / "in").symlink_to("a.py")
    origin.git("mv", "README", "moved here")
    (origin.path / "a.py").chmod(0o755)
    head = origin.commit("hostile")
    found = checkout(workspace, origin, attempt_of(head))
    changed = {file.path: file for file in found.change.files}
    assert {
        "sp ace.py",
        "q\"uo'te.py",
        "new\nline.py",
        r"\xff\xfe.py",
        "-rf",
        "--output=x",
        "café.py",
        "$(touch x)",
        "a\tb",
    } <= set(changed)
    assert changed["binary"].binary
    assert changed["new\nline.py"].added_lines == {1}
    assert (changed["moved here"].status, changed["moved here"].previous_path) == ("renamed", "README")
    assert changed["a.py"].status == "modified"
    assert "in" in found.project.files
    assert "out" not in found.project.files
    assert "new\nline.py" in found.project.files


def test_the_checkout_cannot_write_to_the_mirror(workspace: LocalWorkspace, origin: TestRepository, tmp_path: Path) -> None:
    branch(origin)
    found = checkout(workspace, origin, attempt_of(origin.commit("work", **{"a.py": "1\n"})))
    mirror = tmp_path / "home/mirrors/o/r.git"
    before = sorted(str(path) for path in mirror.rglob("*"))
    tree = TestRepository.__new__(TestRepository)
    tree.path = found.root
    tree.commit("evil", **{"a.py": "evil\n"})
    assert sorted(str(path) for path in mirror.rglob("*")) == before


def test_hooks_of_the_mirror_and_the_tree_never_run(workspace: LocalWorkspace, origin: TestRepository, tmp_path: Path) -> None:
    branch(origin)
    head = origin.commit("work", **{"a.py": "1\n"})
    mirror = workspace.mirror("o/r")
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (mirror.path / "hooks").mkdir(exist_ok=True)
        hook = mirror.path / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    checkout(workspace, origin, attempt_of(head))
    assert not (tmp_path / "ran").exists()


def test_clean_removes_the_checkout_and_keeps_the_scratch(workspace: LocalWorkspace, origin: TestRepository) -> None:
    branch(origin)
    attempt = attempt_of(origin.commit("work", **{"a.py": "1\n"}))
    root = checkout(workspace, origin, attempt).root
    (root / "locked").mkdir()
    (root / "locked/file").write_text("")
    (root / "locked").chmod(0)
    (workspace.scratch(attempt, "lint") / "report.json").write_text("{}")
    workspace.clean(attempt)
    workspace.clean(attempt)
    assert not root.parent.exists()
    assert (workspace.scratch(attempt, "lint") / "report.json").exists()
    assert checkout(workspace, origin, attempt).root.exists()


@pytest.mark.parametrize(
    "name", ["a", "a/b/c", "../x", "a/..", "/a", "a/.git", "-a/b", "a/b\n", "a/b c", "a\\b/c", "", "a/b..c"]
)
def test_hostile_repository_names(name: str) -> None:
    with pytest.raises(UsageError):
        repository_path(name)


@pytest.mark.parametrize(
    "name", ["", "-x", "a..b", "a b", "a\nb", "x.lock", "a/.b", "@{u}", "a:b", "a//b", "/a", "a/", "--upload-pack=x", "@"]
)
def test_hostile_branch_names(name: str) -> None:
    with pytest.raises(UsageError):
        checked_ref(name)


# --- branches that Forge writes to


def test_files_on_an_orphan_branch_pushed_with_compare_and_swap(
    tmp_path: Path, run: ProcessRun, origin: TestRepository
) -> None:
    repository = init_bare(tmp_path / "bare.git", run)
    url = str(origin.path)
    assert repository.tip(url, "forge/environments", environment={}) is None
    first = repository.commit_files({"environments/p.toml": b"a = 1\n"}, parent=None, message="one", at=1.0, scratch=tmp_path)
    assert repository.push(url, first, "forge/environments", expected=None, environment={})
    other = repository.commit_files({"x": b"1"}, parent=None, message="other", at=1.0, scratch=tmp_path)
    assert not repository.push(url, other, "forge/environments", expected=None, environment={})
    tip = repository.tip(url, "forge/environments", environment={})
    assert tip == first
    second = repository.commit_files(
        {"environments/q.toml": b"b = 2\n", "environments/p.toml": None}, parent=tip, message="two", at=2.0, scratch=tmp_path
    )
    assert repository.push(url, second, "forge/environments", expected=first, environment={})
    assert origin.git("ls-tree", "-r", "--name-only", "forge/environments") == "environments/q.toml"
    assert repository.read(second, "environments/q.toml") == b"b = 2\n"
    assert repository.read(second, "environments/p.toml") is None
    assert repository.read(second, "environments") is None
    again = repository.commit_files({"environments/p.toml": b"a = 1\n"}, parent=None, message="one", at=1.0, scratch=tmp_path)
    assert again == first, "equal inputs make an equal commit"


# --- forge check


def test_local_work_tree_as_it_is(tmp_path: Path, run: ProcessRun, origin: TestRepository) -> None:
    branch(origin)
    origin.commit("committed", **{"a.py": "one\ntwo\nthree\n"})
    origin.write("a.py", "one\ntwo\nthree\nedited\n")
    origin.write("new file.py", "1\n2")
    origin.write(".gitignore", "ignored\n")
    origin.write("ignored", "")
    origin.write("forge.toml", "[gates.lint]\nenabled = true\n")
    (origin.path / "README").unlink()
    found = local_checkout(origin.path, None, None, run)
    assert found.root == origin.path
    assert found.change.base_sha == origin.git("rev-parse", "main")
    assert found.change.head_sha is None
    changed = {file.path: (file.status, sorted(file.added_lines)) for file in found.change.files}
    assert changed == {
        ".gitignore": ("added", [1]),
        "README": ("removed", []),
        "a.py": ("modified", [3, 4]),
        "forge.toml": ("modified", [2]),
        "new file.py": ("added", [1, 2]),
    }
    assert found.project.files == (".gitignore", "a.py", "forge.toml", "new file.py")
    assert not found.policy.gate("lint").enabled
    assert found.base is not None
    with found.base() as base:
        assert (base / "README").read_text() == "r\n"
    assert origin.git("worktree", "list").count("\n") == 0


def test_local_nothing_to_compare_with(run: ProcessRun, origin: TestRepository) -> None:
    found = local_checkout(origin.path, None, None, run)
    assert (found.change.base_sha, found.change.files, found.base) == (None, (), None)
    assert found.change.head_sha == origin.git("rev-parse", "HEAD")
    origin.write("a.py", "edited\n")
    edited = local_checkout(origin.path, None, None, run)
    assert edited.change.base_sha == origin.git("rev-parse", "HEAD")
    assert edited.change.paths == ("a.py",)


def test_local_head_is_an_isolated_commit(run: ProcessRun, origin: TestRepository) -> None:
    branch(origin)
    head = origin.commit("committed", **{"a.py": "one\ntwo\nthree\n"})
    origin.write("a.py", "edited, not committed\n")
    found = local_checkout(origin.path, "main", "HEAD", run)
    assert found.root != origin.path
    assert (found.root / "a.py").read_text() == "one\ntwo\nthree\n"
    assert (found.change.head_sha, found.change.base_sha) == (head, origin.git("rev-parse", "main"))
    assert found.tested_tree == origin.git("rev-parse", "HEAD^{tree}")
    assert [(file.path, file.added_lines) for file in found.change.files] == [("a.py", frozenset({3}))]


def test_a_commit_and_its_base_know_their_version_by_the_tags(run: ProcessRun, origin: TestRepository) -> None:
    branch(origin)
    origin.commit("committed", **{"a.py": "one\ntwo\nthree\n"})
    found = local_checkout(origin.path, "main", "HEAD", run)
    assert found.base is not None
    tree = TestRepository.__new__(TestRepository)
    tree.path = found.root
    assert tree.git("describe", "--tags").startswith("v1-1-g")
    with found.base() as base:
        tree.path = base
        assert tree.git("describe", "--tags") == "v1"


def kept_head(origin: TestRepository, kept: Path, tmp_path: Path, head: str) -> tuple[ProcessRun, Checkout]:
    """As one `forge check --head` has it; the tree is its own until the run is gone."""
    run = ProcessRun(home=tmp_path / "home", run_id="test")
    return run, local_checkout(origin.path, None, head, run, kept=kept)


def test_local_head_is_kept_with_what_was_installed_in_it_and_nothing_else(tmp_path: Path, origin: TestRepository) -> None:
    kept, link = tmp_path / "kept", origin.path / "linked"
    link.symlink_to(tmp_path)
    origin.git("add", "linked")
    head = origin.commit("head", **{"web/package.json": "{}\n", ".gitignore": "node_modules/\ndist/\n"})
    run, found = kept_head(origin, kept, tmp_path, head)
    root = found.root
    (root / "linked").unlink()
    for name in ("node_modules/a", "web/node_modules/b", "linked/node_modules/c", "dist", ".git/hooks"):
        (root / name).mkdir(parents=True)
    (root / "a.py").write_text("what ran here changed it\n")
    run_beside, beside = kept_head(origin, kept, tmp_path, head)
    assert beside.root != root, "two checks never share a tree"
    del run, found
    run_again, found = kept_head(origin, kept, tmp_path, head)
    assert found.root == root
    assert (root / "node_modules/a").is_dir()
    assert (root / "web/node_modules/b").is_dir()
    assert (root / "a.py").read_text() == "one\ntwo\n"
    assert not (root / "dist").exists()
    assert not (root / ".git/hooks").exists()
    assert (root / "linked").is_symlink()
    assert not (tmp_path / "node_modules").exists(), "no link leads what was installed out of the tree"
    del run_beside, beside, run_again


def test_local_heads_longest_unused_are_removed(tmp_path: Path, origin: TestRepository) -> None:
    kept = tmp_path / "kept"
    heads = [origin.commit(f"commit {number}", **{"a.py": f"{number}\n"}) for number in range(KEPT + 2)]
    used, found = kept_head(origin, kept, tmp_path, heads[0])
    for head in heads[1:]:
        kept_head(origin, kept, tmp_path, head)
    assert (found.root / "a.py").read_text() == "0\n", "one that a check has is never taken away"
    there = {path.name[-12:] for path in kept.iterdir() if path.is_dir()}
    assert there == {heads[0][:12], *(head[:12] for head in heads[-KEPT:])}
    del used


def test_local_compares_with_where_the_work_left_origin(tmp_path: Path, run: ProcessRun, origin: TestRepository) -> None:
    shutil.copytree(origin.path, tmp_path / "clone")
    clone = TestRepository(tmp_path / "clone")
    start = clone.git("rev-parse", "HEAD")
    clone.git("remote", "add", "origin", str(origin.path))
    origin.commit("elsewhere", README="elsewhere\n")
    clone.git("fetch", "--quiet", "origin")
    clone.commit("mine", **{"a.py": "mine\n"})
    found = local_checkout(clone.path, None, None, run)
    assert found.change.base_sha == start
    assert found.change.paths == ("a.py",)


def test_local_sub_folder_with_a_project_of_its_own(run: ProcessRun, origin: TestRepository) -> None:
    origin.commit("sub", **{"examples/app/pyproject.toml": "[project]\nname='x'\n", "examples/app/a.py": "", "plain/x": ""})
    origin.write("examples/app/a.py", "edited\n")
    origin.write("a.py", "edited outside\n")
    found = local_checkout(origin.path / "examples/app", None, None, run)
    assert found.root == origin.path / "examples/app"
    assert found.project.files == ("a.py", "pyproject.toml")
    assert found.change.paths == ("a.py",)
    assert found.base is not None
    with found.base() as base:
        assert (base / "a.py").read_text() == ""
    assert local_checkout(origin.path / "plain", None, None, run).root == origin.path


def test_local_folder_without_git(tmp_path: Path, run: ProcessRun) -> None:
    folder = tmp_path / "plain"
    (folder / "node_modules/x").mkdir(parents=True)
    (folder / "node_modules/x/index.js").write_text("")
    (folder / "a.py").write_text("x = 1\n")
    found = local_checkout(folder, None, None, run)
    assert found.project.files == ("a.py",)
    assert found.change.base_sha is None
    with pytest.raises(UsageError, match="not a git repository"):
        local_checkout(folder, "main", None, run)


def test_local_repository_without_a_commit(tmp_path: Path, run: ProcessRun) -> None:
    repository = TestRepository(tmp_path / "empty")
    repository.write("a.py", "")
    found = local_checkout(repository.path, None, None, run)
    assert found.project.files == ("a.py",)
    assert (found.change.base_sha, found.change.head_sha) == (None, None)


@pytest.mark.parametrize("revision", ["absent", "-x", "--help", "", "main; touch x", "main\0"])
def test_local_unknown_revisions(run: ProcessRun, origin: TestRepository, revision: str) -> None:
    with pytest.raises(UsageError, match="no such commit"):
        local_checkout(origin.path, revision, None, run)
    with pytest.raises(UsageError, match="no such commit"):
        local_checkout(origin.path, None, revision, run)


def test_local_binary_by_attribute_only_counts_as_new_text(run: ProcessRun, origin: TestRepository) -> None:
    origin.write("a.py", "one\ntwo\nevil\n")
    origin.write(".gitattributes", "*.py -diff\n")
    changed = {file.path: file for file in local_checkout(origin.path, None, None, run).change.files}
    assert not changed["a.py"].binary
    assert 3 in changed["a.py"].added_lines


def test_local_shallow_clone(tmp_path: Path, run: ProcessRun, origin: TestRepository) -> None:
    origin.commit("second", **{"a.py": "2\n"})
    TestRepository(tmp_path / "x").git("clone", "--quiet", "--depth=1", f"file://{origin.path}", str(tmp_path / "shallow"))
    found = local_checkout(tmp_path / "shallow", None, "HEAD", run)
    assert (found.root / "a.py").read_text() == "2\n"
    assert GitRepository(found.root, run).git("log", "--format=%s").decode().split() == ["second"]
