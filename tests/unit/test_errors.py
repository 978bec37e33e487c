"""Every failure has one exit code, says what to do, and survives a process boundary."""

from __future__ import annotations

import errno
import pickle
import shutil
import subprocess

import pytest

from sdk_builder import errors
from sdk_builder.errors import (
    EXIT_CODES,
    DiskFullError,
    InputError,
    OutputError,
    PermissionDeniedError,
    ShaktiError,
    UnknownModelError,
    output_errors,
)


def all_subclasses(cls: type[ShaktiError]) -> set[type[ShaktiError]]:
    direct = {c for c in cls.__subclasses__() if c.__module__ == errors.__name__}
    return direct.union(*(all_subclasses(c) for c in direct))


def test_each_family_has_a_code_of_its_own():
    families = {c.__name__: c.exit_code for c in ShaktiError.__subclasses__()}
    listed = {row.family: row.code for row in EXIT_CODES if row.family}
    assert {name: families[name] for name in listed} == listed
    assert len({row.code for row in EXIT_CODES}) == len(EXIT_CODES)


def test_every_error_leaves_with_a_documented_code():
    documented = {row.code for row in EXIT_CODES} - {0, 1}
    codes = {c.__name__: c.exit_code for c in all_subclasses(ShaktiError)}
    assert {name: code for name, code in codes.items() if code not in documented} == {}
    assert len(codes) >= 18


def test_text_holds_message_and_hint():
    assert str(InputError("It is broken.", "Mend it.")) == "It is broken.\nMend it."
    assert str(InputError("It is broken.")) == "It is broken."


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(DiskFullError("full", "make room")))
    assert (type(error), error.message, error.hint) == (DiskFullError, "full", "make room")


def test_unknown_model_offers_the_nearest_name():
    error = UnknownModelError("No model is called shakti-100.", nearest="shakti-100m")
    assert error.hint == "Did you mean shakti-100m?"
    assert error.nearest == "shakti-100m"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EACCES, PermissionDeniedError),
        (errno.EPERM, PermissionDeniedError),
        (errno.EROFS, PermissionDeniedError),
        (errno.EIO, OutputError),
        (errno.ENAMETOOLONG, OutputError),
    ],
)
def test_os_error_becomes_the_output_error_of_its_cause(number, expected, tmp_path):
    cause = OSError(number, "said the system")
    with pytest.raises(OutputError) as caught, output_errors(tmp_path / "out"):
        raise cause
    assert type(caught.value) is expected
    assert str(tmp_path / "out") in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert caught.value.__cause__ is cause


def test_parent_that_is_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "out"
    with pytest.raises(OutputError, match="Not a directory"), output_errors(target):
        target.mkdir()


def test_folder_made_immutable_is_permission_denied(immutable_folder):
    target = immutable_folder / "out"
    with pytest.raises(PermissionDeniedError), output_errors(target):
        target.mkdir()


def test_other_exceptions_pass_unchanged(tmp_path):
    with pytest.raises(KeyError), output_errors(tmp_path):
        raise KeyError("not about files")


@pytest.fixture
def immutable_folder(tmp_path):
    """A folder that not even root may write to."""
    folder = tmp_path / "immutable"
    folder.mkdir()
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", folder]).returncode:
        folder.chmod(0o555)
        if can_write(folder):
            pytest.skip("runs as root on a file system without immutable folders")
    yield folder
    subprocess.run(["chattr", "-i", folder]) if shutil.which("chattr") else folder.chmod(0o755)
    folder.chmod(0o755)


def can_write(folder) -> bool:
    try:
        (folder / "probe").touch()
    except OSError:
        return False
    (folder / "probe").unlink()
    return True
