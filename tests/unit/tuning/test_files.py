"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk_builder.errors import DiskFullError
from sdk_builder.tuning.files import put


def test_a_file_gets_its_name_when_it_is_whole(tmp_path: Path):
    target = tmp_path / "new" / "file"

    def write(path: Path) -> None:
        path.write_text("half")
        assert not target.exists()
        path.write_text("whole")

    put(target, write)
    assert [path.name for path in target.parent.iterdir()] == ["file"]
    assert target.read_text() == "whole"


@pytest.mark.parametrize("cause", [OSError(28, "full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, cause: BaseException
):
    target = tmp_path / "file"
    target.write_text("old")

    def write(path: Path) -> None:
        path.write_text("half")
        raise cause

    with pytest.raises((DiskFullError, KeyboardInterrupt)):
        put(target, write)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"
