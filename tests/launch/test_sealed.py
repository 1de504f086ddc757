"""Sealed folders."""

from pathlib import Path

import pytest

from launch import sealed


def test_the_digest_is_of_the_folder_alone(tmp_path: Path):
    digests = set()
    for name in ("a", "b"):
        folder = tmp_path / name
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file").write_text("x")
        (folder / "link").symlink_to("inner")
        sealed.close(folder, [b"inner/file", b"link"])
        digests.add(sealed.seal(folder))
    assert len(digests) == 1
    assert (tmp_path / "a" / "inner" / "file").stat().st_mtime == sealed.AGE
    assert not (tmp_path / "a" / "inner" / "file").stat().st_mode & 0o222


def test_where_there_is_no_folder_there_is_none(tmp_path: Path):
    with pytest.raises(OSError, match="nowhere"):
        sealed.seal(tmp_path / "nowhere")
