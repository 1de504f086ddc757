"""Snapshots of working trees of every kind, by the real git; the user's repository stays as it was."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from framework.errors import CodeError
from framework.tracking import frozen, provenance
from launch import sealed, snapshot, worktree
from launch.snapshot import Snapshot, take


def git(folder: Path, *words: str, check: bool = True) -> str:
    names = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *names, "-C", str(folder), *words], capture_output=True, text=True, check=check)
    return done.stdout


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's settings of git but those that a test makes."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with a commit."""
    made = tmp_path / "repo"
    (made / "pack").mkdir(parents=True)
    git(made, "init", "--quiet", "--initial-branch=main")
    (made / "pack" / "one.py").write_text("ONE = 1\n")
    (made / "two.txt").write_text("two\n")
    (made / ".gitignore").write_text("*.log\n")
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "-m", "first")
    return made


def freeze(top: Path, place: Path | None = None) -> Snapshot:
    repository = worktree.repository_of(top)
    assert repository is not None
    return take(repository, place or top.parent / "server" / "code")


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name, without what is git's."""
    found = {}
    for path in folder.rglob("*"):
        name = os.fsencode(path.relative_to(folder)).decode("latin-1")
        if not name.startswith(".git/") and (path.is_symlink() or not path.is_dir()):
            found[name] = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
    return found


def left_out(made: Snapshot) -> dict[str, str]:
    return {item.name: item.why for item in made.left_out}


def state(top: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (top / ".git").rglob("*") if path.is_file()}


def test_what_is_committed_changed_and_new_is_in_it_and_nothing_else(top: Path):
    (top / "two.txt").write_text("changed\n")
    (top / "pack" / "new.py").write_text("NEW = 1\n")
    (top / "staged.py").write_text("staged\n")
    git(top, "add", "staged.py")
    (top / "run.log").write_text("ignored\n")
    (top / "tracked.log").write_text("ignored, but tracked\n")
    git(top, "add", "--force", "tracked.log")
    (top / "pack" / "one.py").unlink()
    os.utime(top / ".gitignore", (0, 0))  # git would note in its index that only the age is another
    before = state(top)
    made = freeze(top)
    assert contents(made.folder) == {
        ".gitignore": b"*.log\n", "two.txt": b"changed\n", "pack/new.py": b"NEW = 1\n", "staged.py": b"staged\n",
        "tracked.log": b"ignored, but tracked\n",
    }  # fmt: skip
    assert (made.changed, made.new, made.left_out) == (2, 3, [])
    assert state(top) == before
    assert made.record.git["dirty"]


def test_a_clean_tree_has_the_name_that_git_gives_it_and_equal_code_one_snapshot(top: Path):
    made = freeze(top)
    assert made.folder.name == git(top, "rev-parse", "HEAD^{tree}").strip()
    state_then, patch = provenance.git_state(top)
    assert (made.record.git, made.record.patch) == (state_then, patch)
    (top / "two.txt").write_text("other\n")
    other = freeze(top)
    assert other.folder != made.folder
    (top / "two.txt").write_text("two\n")
    git(top, "commit", "--quiet", "--allow-empty", "-m", "second")
    again = freeze(top)
    assert again.folder == made.folder
    assert again.record.git["commit"] == git(top, "rev-parse", "HEAD").strip()
    folders = [path for path in made.folder.parent.iterdir() if path.is_dir() and len(path.name) == 40]
    assert sorted(folders) == sorted([made.folder, other.folder])


def test_names_bits_and_links_come_out_as_they_are(top: Path, tmp_path: Path):
    names = [b"a b", b"line\nbreak", b"\xff\xfe.bin", b"-dash", "дом".encode(), b'q"uote', b":(top)x", b"[x]*?"]
    for name in names:
        (top / os.fsdecode(name)).write_bytes(name)
    (top / "tool").write_text("#!/bin/sh\n")
    (top / "tool").chmod(0o755)
    (top / "inner").symlink_to("pack/one.py")
    (top / "pack" / "up").symlink_to("../two.txt")
    (top / "out").symlink_to("../elsewhere")
    (top / "pack" / "out").symlink_to("../../x")
    (top / "absolute").symlink_to(top / "two.txt")
    os.mkfifo(top / "pipe")
    made = freeze(top)
    found = contents(made.folder)
    assert all(found[name.decode("latin-1")] == name for name in names)
    assert os.access(made.folder / "tool", os.X_OK)
    assert not (made.folder / "two.txt").stat().st_mode & 0o111
    assert (found["inner"], found["pack/up"]) == (b"pack/one.py", b"../two.txt")
    reason = "a link out of the tree"
    assert left_out(made) == {"out": reason, "pack/out": reason, "absolute": reason}
    assert freeze(top).folder == made.folder


@pytest.mark.parametrize("is_copied", [True, False])
@pytest.mark.parametrize("autocrlf", ["true", "input", "false"])
def test_bytes_are_those_of_the_working_tree_whatever_git_would_make_of_them(
    top: Path, autocrlf: str, is_copied: bool
):
    if not is_copied:
        freeze(top)  # from now on git checks out what is new
    git(top, "config", "--global", "core.autocrlf", autocrlf)
    git(top, "config", "--global", "filter.upper.clean", "tr a-z A-Z")
    git(top, "config", "--global", "filter.upper.smudge", "tr A-Z a-z")
    git(top, "config", "--global", "filter.upper.required", "true")
    (top / ".gitattributes").write_text(
        "*.big filter=upper\n*.crlf text eol=crlf\n*.lf text eol=lf\n*.id ident\n"
        "*.utf text working-tree-encoding=UTF-16\n"
    )
    wanted = {
        "x.big": b"big\n", "x.crlf": b"a\r\nb\n", "x.lf": b"a\r\nb\r\n", "x.id": b"$Id$ $Id: abc $\n",
        "x.utf": "a\r\n".encode("utf-16"), "dos.py": b"X = 1\r\n", "mixed.py": b"X = 1\r\nY = 2\n",
    }  # fmt: skip
    for name, data in wanted.items():
        (top / name).write_bytes(data)
    made = freeze(top)
    assert wanted.items() <= contents(made.folder).items()
    git(top, "add", "--all", check=False)
    git(top, "commit", "--quiet", "-m", "filtered")
    assert freeze(top).folder == made.folder


def test_what_cannot_be_frozen_is_left_out_and_told(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    (other / "file").write_text("x")
    git(other, "add", "file")
    git(other, "commit", "--quiet", "-m", "other")
    git(top, "submodule", "--quiet", "add", str(other), "sub")
    shutil.copytree(other, top / "nested")
    (top / "empty").mkdir()
    git(top / "empty", "init", "--quiet")
    (top / "empty" / "x").write_text("x")
    (top / "large.bin").write_bytes(b"x" * 2_100_000)
    (top / "small.bin").write_bytes(b"x" * 1_900_000)
    monkeypatch.setenv(worktree.LARGEST_VARIABLE, "2")
    made = freeze(top)
    own = "a repository of its own"
    assert left_out(made) == {"sub": own, "nested": own, "empty": own, "large.bin": "above 2 MB"}
    assert not {"sub/file", "nested/file", "empty/x", "large.bin"} & set(contents(made.folder))
    assert (made.folder / "small.bin").exists()
    monkeypatch.delenv(worktree.LARGEST_VARIABLE)
    assert "large.bin" not in left_out(freeze(top))
    monkeypatch.setenv(worktree.LARGEST_VARIABLE, "much")
    with pytest.raises(CodeError, match="SASHIKO_FROZEN_MB is 'much'; it is a number of megabytes"):
        freeze(top)


def test_what_the_index_says_of_a_file_does_not_hide_what_it_is(top: Path):
    for name in ("assumed", "skipped", "intended"):
        (top / name).write_text("before\n")
    git(top, "add", "assumed", "skipped")
    git(top, "commit", "--quiet", "-m", "more")
    git(top, "update-index", "--assume-unchanged", "assumed")
    git(top, "update-index", "--skip-worktree", "skipped")
    git(top, "add", "--intent-to-add", "intended")
    for name in ("assumed", "skipped", "intended"):
        (top / name).write_text("after\n")
    found = contents(freeze(top).folder)
    assert [found[name] for name in ("assumed", "skipped", "intended")] == [b"after\n"] * 3


def test_a_sparse_tree_has_what_lies_there(top: Path):
    git(top, "sparse-checkout", "set", "--no-cone", "/*", "!/two.txt")
    assert not (top / "two.txt").exists()
    assert "two.txt" not in contents(freeze(top).folder)


def test_a_branch_without_a_commit(tmp_path: Path):
    top = tmp_path / "unborn"
    top.mkdir()
    git(top, "init", "--quiet")
    (top / "a.py").write_text("A\n")
    made = freeze(top)
    assert contents(made.folder) == {"a.py": b"A\n"}
    assert (made.record.git, made.new, made.changed) == ({}, 1, 0)


def test_in_the_middle_of_a_merge(top: Path):
    git(top, "checkout", "--quiet", "-b", "side")
    (top / "two.txt").write_text("side\n")
    git(top, "commit", "--quiet", "-am", "side")
    git(top, "checkout", "--quiet", "main")
    (top / "two.txt").write_text("main\n")
    git(top, "commit", "--quiet", "-am", "main")
    git(top, "merge", "side", check=False)
    assert "UU two.txt" in git(top, "status", "--porcelain")
    assert contents(freeze(top).folder)["two.txt"] == (top / "two.txt").read_bytes()


def test_a_second_working_tree_and_a_split_index(top: Path, tmp_path: Path):
    git(top, "worktree", "add", "--quiet", str(tmp_path / "second"))
    (tmp_path / "second" / "more.py").write_text("MORE\n")
    git(top, "update-index", "--split-index")
    (top / ".git" / "info" / "exclude").write_text("private\n")
    (tmp_path / "second" / "private").write_text("x")
    made = freeze(tmp_path / "second")
    assert set(contents(made.folder)) == {".gitignore", "pack/one.py", "two.txt", "more.py", ".git"} - {".git"}
    assert "more.py" not in contents(freeze(top).folder)


def test_a_file_for_a_folder_and_a_link_for_a_folder(top: Path):
    freeze(top)
    shutil.rmtree(top / "pack")
    (top / "pack").write_text("a file\n")
    assert contents(freeze(top).folder)["pack"] == b"a file\n"
    (top / "pack").unlink()
    (top / "real").mkdir()
    (top / "real" / "one.py").write_text("ONE = 2\n")
    (top / "pack").symlink_to("real")
    found = contents(freeze(top).folder)
    assert (found["pack"], found["real/one.py"]) == (b"real", b"ONE = 2\n")
    assert "pack/one.py" not in found


def test_the_servers_folder_within_the_tree_is_left_alone(top: Path):
    place = top / ".sashiko" / "code"
    (top / ".sashiko").mkdir()
    (top / ".sashiko" / "server.db").write_text("x")
    first = freeze(top, place)
    assert set(contents(first.folder)) == {".gitignore", "pack/one.py", "two.txt"}
    assert freeze(top, place).folder == first.folder
    assert first.new == 0
    assert "code" not in git(top, "status", "--porcelain", "--untracked-files=all")


def test_an_edit_within_a_snapshot_does_not_go_unseen(top: Path):
    made = freeze(top)
    assert not (made.folder / "two.txt").stat().st_mode & 0o222
    for edit in (_rewrite, _replace, _add, _remove, _rename, _make_executable):
        assert snapshot.whole(made.folder) is not None, edit
        edit(made.folder)
        assert snapshot.whole(made.folder) is None, edit
        again = freeze(top)
        assert again.folder == made.folder
        assert contents(again.folder)["two.txt"] == b"two\n"
    kept = sorted(made.folder.parent.glob(f"{made.folder.name}{snapshot.CHANGED}*"))
    assert len(kept) == 6
    assert any((folder / "added.py").exists() for folder in kept)
    cache = made.folder / "pack" / "__pycache__"
    cache.mkdir()
    (cache / "one.cpython.pyc").write_text("compiled")
    assert snapshot.whole(made.folder) is not None


def _rewrite(folder: Path) -> None:
    (folder / "two.txt").chmod(0o644)
    (folder / "two.txt").write_text("owt\n")


def _replace(folder: Path) -> None:
    (folder / "other").write_text("owt\n")
    (folder / "other").rename(folder / "two.txt")


def _add(folder: Path) -> None:
    (folder / "added.py").write_text("")


def _remove(folder: Path) -> None:
    (folder / "pack" / "one.py").unlink()


def _rename(folder: Path) -> None:
    (folder / "two.txt").rename(folder / "six.txt")


def _make_executable(folder: Path) -> None:
    (folder / "two.txt").chmod(0o555)


def test_an_edit_in_one_snapshot_is_not_carried_into_the_next(top: Path):
    made = freeze(top)
    _rewrite(made.folder)
    (top / "pack" / "one.py").write_text("ONE = 2\n")
    assert contents(freeze(top).folder)["two.txt"] == b"two\n"


def test_unchanged_files_are_links_to_those_of_the_snapshot_before(top: Path):
    first = freeze(top)
    (top / "pack" / "one.py").write_text("ONE = 2\n")
    second = freeze(top)
    assert (first.folder / "two.txt").samefile(second.folder / "two.txt")
    assert (second.folder / "pack" / "one.py").read_text() == "ONE = 2\n"
    assert (first.folder / "pack" / "one.py").read_text() == "ONE = 1\n"


def test_a_file_that_changes_while_it_is_copied_is_taken_as_it_was_stored(
    top: Path, monkeypatch: pytest.MonkeyPatch
):
    copy = sealed.copy

    def late(base: bytes, names: list[bytes], folder: Path) -> object:
        found = copy(base, names, folder)
        (folder / "two.txt").chmod(0o644)
        (folder / "two.txt").write_text("half of it")
        (top / "two.txt").write_text("changed\n")
        return found

    monkeypatch.setattr(sealed, "copy", late)
    made = freeze(top)
    with monkeypatch.context() as ours:  # what the repository has already is not stored once more
        ours.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", str(top / ".git" / "objects"))
        stored = git(top, "--git-dir", str(made.folder.parent / "store"), "show", f"{made.folder.name}:two.txt")
    assert (made.folder / "two.txt").read_text() == stored
    monkeypatch.undo()
    again = freeze(top)
    assert (again.folder / "two.txt").read_text() == "changed\n"


def test_a_half_made_one_is_made_anew(top: Path):
    made = freeze(top)
    for damage in (frozen.beside(made.folder).unlink, lambda: shutil.rmtree(made.folder)):
        damage()
        assert snapshot.whole(made.folder) is None
        assert contents(freeze(top).folder)["two.txt"] == b"two\n"
    frozen.beside(made.folder).write_text("{")
    assert snapshot.whole(freeze(top).folder) is not None


def test_objects_that_the_repository_drops_are_stored_again(top: Path):
    (top / "two.txt").write_text("amended away\n")
    git(top, "commit", "--quiet", "-am", "second")
    made = freeze(top)
    git(top, "reset", "--quiet", "--soft", "HEAD~1")
    git(top, "reset", "--quiet")
    git(top, "reflog", "expire", "--expire=now", "--all")
    git(top, "gc", "--quiet", "--prune=now")
    shutil.rmtree(made.folder)
    again = freeze(top)
    assert contents(again.folder)["two.txt"] == b"amended away\n"
    assert again.folder == made.folder


def test_submissions_at_once_do_not_disturb_each_other(top: Path):
    for number in range(40):
        (top / f"file{number}").write_text(f"{number}\n")
    found: list[Snapshot] = []
    threads = [threading.Thread(target=lambda: found.append(freeze(top))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len({made.folder for made in found}) == 1
    assert snapshot.whole(found[0].folder) is not None
    assert not list(found[0].folder.parent.glob(".new-*"))
    assert not list(found[0].folder.parent.glob(f"*{snapshot.CHANGED}*"))


def test_what_git_refuses_is_told_in_its_words(top: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(CodeError, match=r"dubious ownership .* safe.directory .*; --live freezes nothing"):
        freeze(top)
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    monkeypatch.setenv("PATH", str(top))
    with pytest.raises(CodeError, match="git cannot be run"):
        freeze(top)


def test_what_was_left_behind_is_removed_and_nobody_else_may_look(top: Path):
    place = freeze(top).folder.parent
    assert place.stat().st_mode & 0o777 == 0o700
    for name, age in ((".new-old", 2 * snapshot.LEFT_S), (".new-now", 60.0)):
        (place / name).mkdir()
        os.utime(place / name, (time.time() - age,) * 2)
    freeze(top)
    assert [path.name for path in place.glob(".new-*")] == [".new-now"]


def test_no_repository_is_none(tmp_path: Path):
    assert worktree.repository_of(tmp_path) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_told(top: Path):
    (top / "secret").write_text("x")
    (top / "secret").chmod(0)
    with pytest.raises(CodeError, match="Permission denied"):
        freeze(top)


def test_a_repository_with_long_names_of_objects(tmp_path: Path):
    top = tmp_path / "long"
    top.mkdir()
    git(top, "init", "--quiet", "--object-format=sha256")
    (top / "a.py").write_text("A\n")
    git(top, "add", "a.py")
    git(top, "commit", "--quiet", "-m", "a")
    made = freeze(top)
    assert made.folder.name == git(top, "rev-parse", "HEAD^{tree}").strip()
    assert len(made.folder.name) == 64
    assert contents(made.folder) == {"a.py": b"A\n"}


def test_what_a_hook_of_git_inherits_says_nothing_here(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    assert contents(freeze(top).folder)["two.txt"] == b"two\n"


def test_runs_within_it_record_what_git_said(top: Path):
    (top / "two.txt").write_text("changed\n")
    (top / "pack" / "neu.py").write_bytes(b"x = '\xff'\n")
    made = freeze(top)
    code = "from pathlib import Path; from framework.tracking import frozen; import sys, json\n"
    code += "r = frozen.around(Path(sys.argv[1])); sys.stdout.buffer.write(r.patch)"
    done = subprocess.run([sys.executable, "-c", code, str(made.folder / "pack")], capture_output=True, check=True)
    live, patch = provenance.git_state(top)
    assert done.stdout == patch
    assert b"'\xff'" in patch
    assert made.record.git == live
