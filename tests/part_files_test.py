"""Files that grow: what an interrupted program leaves, and how the next goes on."""

import errno
import os
import pathlib
import subprocess
import sys

import pytest

from bert_ja import part_files, text_io

NAMES = ("", "names")


@pytest.fixture
def output(tmp_path):
  return str(tmp_path / "result.bin")


def opened(output, key="k"):
  return part_files.PartFiles(output, NAMES, key)


def begun(output, key="k"):
  parts = opened(output, key)
  parts.begin({"": b"<", "names": b""})
  return parts


def append(parts, letter):
  data = {"": letter * 3, "names": letter}
  parts.append(data, 2, letter.decode())


def contents(parts):
  return [pathlib.Path(path).read_bytes() for path in parts.paths.values()]


class TestPartFiles:
  def test_grow_beside_the_result(self, output):
    parts = begun(output)
    append(parts, b"a")
    append(parts, b"b")
    assert (parts.rows, parts.digest) == (4, "b")
    assert parts.paths == {"": f"{output}.part", "names": f"{output}.part.names"}
    assert contents(parts) == [b"<aaabbb", b"ab"]
    assert not os.path.exists(output)

  def test_go_on_where_a_program_was_ended(self, output):
    append(begun(output), b"a")
    parts = begun(output)
    assert (parts.rows, parts.digest) == (2, "a")
    append(parts, b"b")
    assert contents(parts) == [b"<aaabbb", b"ab"]

  def test_what_no_record_speaks_of_is_cut_off(self, output):
    parts = begun(output)
    append(parts, b"a")
    with open(parts.paths[""], "ab") as writer:
      writer.write(b"bb")
    assert contents(begun(output)) == [b"<aaa", b"a"]

  def test_before_the_first_record_all_is_begun_anew(self, output):
    with open(begun(output).paths[""], "ab") as writer:
      writer.write(b"a")
    parts = begun(output)
    assert parts.rows == 0
    assert contents(parts) == [b"<", b""]

  def test_other_settings_begin_anew(self, output, info_lines):
    append(begun(output), b"a")
    parts = begun(output, "other")
    assert (parts.rows, contents(parts)) == (0, [b"<", b""])
    assert "other settings: it is begun anew" in info_lines()[-1]
    # The old record must not come back.
    assert opened(output).rows == 0

  def test_without_a_key_they_are_begun_anew(self, output):
    append(begun(output, None), b"a")
    assert begun(output, None).rows == 0

  @pytest.mark.parametrize("name", NAMES)
  def test_a_file_that_is_missing_or_shorter_begins_anew(self, output, name):
    parts = begun(output)
    append(parts, b"a")
    path = parts.paths[name]
    os.truncate(path, os.path.getsize(path) - 1)
    assert opened(output).rows == 0
    os.remove(path)
    assert opened(output).rows == 0

  def test_looking_writes_nothing(self, output):
    append(begun(output), b"a")
    before = os.listdir(os.path.dirname(output))
    opened(output, "other")
    assert opened(output).rows == 2
    assert os.listdir(os.path.dirname(output)) == before

  def test_the_end_leaves_the_result_alone(self, output):
    parts = begun(output)
    append(parts, b"a")
    parts.finish(lambda paths: text_io.rename(paths[""], output))
    assert os.listdir(os.path.dirname(output)) == [os.path.basename(output)]
    assert opened(output).rows == 0

  def test_an_end_that_was_interrupted_is_made_again(self, output):
    append(begun(output), b"a")
    with pytest.raises(KeyboardInterrupt):
      begun(output).finish(interrupted)
    parts = begun(output)
    assert parts.rows == 2
    parts.finish(lambda paths: text_io.rename(paths[""], output))
    assert pathlib.Path(output).read_bytes() == b"<aaa"

  def test_other_errors_stay_as_they_are(self, tmp_path):
    with pytest.raises(FileNotFoundError):
      begun(str(tmp_path / "none" / "x"))


def interrupted(paths):
  raise KeyboardInterrupt


_FULL = """
import resource, sys
sys.path.insert(0, ".")
from bert_ja import part_files
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
parts = part_files.PartFiles(sys.argv[1], ["", "names"], "k")
try:
  parts.begin({"": b"<", "names": b""})
  while True:
    parts.append({"": b"x" * 300, "names": b"y" * 10}, 2, "d")
except OSError as error:
  print(error.errno, error)
"""


class TestFullDisk:
  """A limit of the size of files fails as a full disk does."""

  def fill(self, output, limit):
    program = [sys.executable, "-c", _FULL, output, str(limit)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout

  def test_whole_blocks_stay_and_one_line_says_so(self, output):
    printed = self.fill(output, 1000)
    assert f"{output}: no space for more than 6 rows, which are kept" in printed
    assert printed.endswith("give the same command again\n")
    parts = begun(output)
    assert parts.rows == 6
    assert contents(parts) == [b"<" + b"x" * 900, b"y" * 30]

  def test_nothing_stays_where_nothing_fits(self, output):
    assert "no space for more than 0 rows" in self.fill(output, 0)
    assert os.listdir(os.path.dirname(output)) == []

  def test_the_end_says_it_too(self, output):
    def full(paths):
      raise OSError(errno.ENOSPC, "No space left on device")

    parts = begun(output)
    append(parts, b"a")
    with pytest.raises(OSError, match="no space for more than 2 rows, which are kept"):
      parts.finish(full)
    assert begun(output).rows == 2
