"""Files that grow: what an interrupted program leaves, and how the next goes on."""

import contextlib
import errno
import glob
import os
import pathlib
import subprocess
import sys

import pytest

from bert_ja.encoding import part_files

NAMES = ("", "names")


@pytest.fixture
def output(tmp_path):
  return str(tmp_path / "result.bin")


@pytest.fixture
def programs():
  """Closes what `opened` and `begun` open, as the end of a program does."""
  with contextlib.ExitStack() as stack:
    yield stack


@pytest.fixture
def opened(programs):
  """Function: files as the next program opens them, the last one having ended."""

  def opened(output, key="k"):
    programs.close()
    return programs.enter_context(part_files.opened(output, NAMES, key))

  return opened


@pytest.fixture
def begun(opened):
  def begun(output, key="k"):
    parts = opened(output, key)
    parts.begin({"": b"<", "names": b""})
    return parts

  return begun


def append(parts, letter):
  data = {"": letter * 3, "names": letter}
  parts.append([data], 2, letter.decode())


def contents(parts):
  return [pathlib.Path(path).read_bytes() for path in parts.paths.values()]


class TestPartFiles:
  def test_grow_beside_the_result(self, begun, output):
    parts = begun(output)
    append(parts, b"a")
    append(parts, b"b")
    assert (parts.rows, parts.digest) == (4, "b")
    assert parts.paths == {"": f"{output}.part", "names": f"{output}.part.names"}
    assert contents(parts) == [b"<aaabbb", b"ab"]
    assert not os.path.exists(output)

  def test_go_on_where_a_program_was_ended(self, begun, output):
    append(begun(output), b"a")
    parts = begun(output)
    assert (parts.rows, parts.digest) == (2, "a")
    append(parts, b"b")
    assert contents(parts) == [b"<aaabbb", b"ab"]

  def test_what_no_record_speaks_of_is_cut_off(self, begun, output):
    parts = begun(output)
    append(parts, b"a")
    with open(parts.paths[""], "ab") as writer:
      writer.write(b"bb")
    assert contents(begun(output)) == [b"<aaa", b"a"]

  def test_before_the_first_record_all_is_begun_anew(self, begun, output):
    with open(begun(output).paths[""], "ab") as writer:
      writer.write(b"a")
    parts = begun(output)
    assert parts.rows == 0
    assert contents(parts) == [b"<", b""]

  def test_other_settings_are_refused(self, begun, opened, output):
    append(begun(output), b"a")
    message = r"result.bin.part, 2 rows, was begun by another model, .* remove .*part\*"
    with pytest.raises(ValueError, match=message):
      opened(output, "other")
    assert contents(begun(output)) == [b"<aaa", b"a"]

  @pytest.mark.parametrize(
    "state",
    [
      "",
      "{",
      "{}",
      "[]",
      "null",
      '{"key": "k", "rows": 2, "digest": "a"}',
      '{"key": "k", "rows": 2, "digest": "a", "sizes": 3}',
      '{"key": "k", "rows": "2", "digest": "a", "sizes": {"": 1, "names": 1}}',
    ],
  )
  def test_a_damaged_record_begins_anew(self, begun, output, state, info_lines):
    append(begun(output), b"a")
    pathlib.Path(f"{output}.part.json").write_text(state)
    parts = begun(output)
    assert (parts.rows, contents(parts)) == (0, [b"<", b""])
    assert "result.bin is begun anew: " in info_lines()[-1]
    assert "part.json is damaged" in info_lines()[-1]
    # The old record must not come back.
    append(parts, b"b")
    assert begun(output).digest == "b"

  def test_the_advice_to_begin_anew_works(self, begun, output):
    append(begun(output), b"a")
    for path in glob.glob(f"{glob.escape(output)}.part*"):
      os.remove(path)
    assert begun(output, "other").rows == 0

  def test_are_open_to_one_program_at_a_time(self, begun, output):
    parts = begun(output)
    append(parts, b"a")
    message = "result.bin is being made by another program; wait"
    with (
      pytest.raises(ValueError, match=message),
      part_files.opened(output, NAMES, "k"),
    ):
      pass
    append(parts, b"b")
    assert contents(parts) == [b"<aaabbb", b"ab"]

  def test_open_when_the_other_program_has_put_the_result_in_place(
    self, begun, output, monkeypatch
  ):
    parts = begun(output)
    flock = part_files.fcntl.flock

    def finished_meanwhile(file, how):
      monkeypatch.setattr(part_files.fcntl, "flock", flock)
      parts.finish(lambda paths, _: os.replace(paths[""], output))
      # The lock on the file that is the result now would be given.

    monkeypatch.setattr(part_files.fcntl, "flock", finished_meanwhile)
    with part_files.opened(output, NAMES, "k") as others:
      others.begin({"": b"<", "names": b""})
      append(others, b"b")
      assert contents(others) == [b"<bbb", b"b"]
      with (
        pytest.raises(ValueError, match="another program"),
        part_files.opened(output, NAMES, "k"),
      ):
        pass
    assert pathlib.Path(output).read_bytes() == b"<"

  def test_a_file_system_without_locks_is_no_error(
    self, begun, output, monkeypatch, info_lines
  ):
    def unsupported(file, how):
      raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(part_files.fcntl, "flock", unsupported)
    append(begun(output), b"a")
    assert begun(output).rows == 2
    assert "cannot be locked (Operation not supported)" in info_lines()[0]

  @pytest.mark.parametrize("name", NAMES)
  @pytest.mark.parametrize("change", [1, -1])
  def test_what_another_program_wrote_is_noticed(self, begun, output, name, change):
    parts = begun(output)
    append(parts, b"a")
    path = parts.paths[name]
    os.truncate(path, os.path.getsize(path) + change)
    with pytest.raises(ValueError, match="were written: another program changed it"):
      append(parts, b"b")
    assert parts.rows == 2

  def test_a_block_comes_in_pieces_and_is_recorded_once(self, begun, output):
    parts = begun(output)

    def pieces():
      yield {"": b"aa", "names": b""}
      assert not os.path.exists(f"{output}.part.json")
      yield {"": b"a", "names": b"b"}

    parts.append(pieces(), 2, "d")
    assert contents(parts) == [b"<aaa", b"b"]
    assert begun(output).rows == 2

  def test_the_record_is_on_the_disk_before_it_has_its_name(
    self, begun, output, monkeypatch
  ):
    parts, done = begun(output), []
    for name in ("fsync", "replace"):
      function = getattr(os, name)

      def noted(*arguments, name=name, function=function):
        done.append(name)
        function(*arguments)

      monkeypatch.setattr(os, name, noted)
    append(parts, b"a")
    assert done == ["fsync", "fsync", "fsync", "replace"]

  def test_without_a_key_they_are_begun_anew(self, begun, output):
    append(begun(output, None), b"a")
    assert begun(output, None).rows == 0

  @pytest.mark.parametrize("name", NAMES)
  def test_a_file_that_is_missing_or_shorter_begins_anew(
    self, begun, opened, output, name
  ):
    parts = begun(output)
    append(parts, b"a")
    path = parts.paths[name]
    os.truncate(path, os.path.getsize(path) - 1)
    assert opened(output).rows == 0
    os.remove(path)
    assert opened(output).rows == 0

  def test_looking_writes_nothing(self, begun, opened, output):
    append(begun(output), b"a")
    before = os.listdir(os.path.dirname(output))
    with pytest.raises(ValueError, match="another model"):
      opened(output, "other")
    assert opened(output).rows == 2
    assert os.listdir(os.path.dirname(output)) == before

  def test_the_end_leaves_the_result_alone(self, begun, opened, output):
    parts = begun(output)
    append(parts, b"a")
    parts.finish(lambda paths, _: os.replace(paths[""], output))
    assert os.listdir(os.path.dirname(output)) == [os.path.basename(output)]
    assert opened(output).rows == 0

  def test_an_end_that_was_interrupted_is_made_again(self, begun, output):
    append(begun(output), b"a")
    with pytest.raises(KeyboardInterrupt):
      begun(output).finish(interrupted)
    parts = begun(output)
    assert parts.rows == 2
    parts.finish(lambda paths, _: os.replace(paths[""], output))
    assert pathlib.Path(output).read_bytes() == b"<aaa"

  def test_an_error_before_the_first_row_leaves_nothing(self, output):
    with (
      pytest.raises(KeyboardInterrupt),
      part_files.opened(output, NAMES, "k") as parts,
    ):
      parts.begin({"": b"<", "names": b""})
      raise KeyboardInterrupt
    assert os.listdir(os.path.dirname(output)) == []

  def test_an_error_after_it_leaves_the_rows(self, opened, output):
    with (
      pytest.raises(KeyboardInterrupt),
      part_files.opened(output, NAMES, "k") as parts,
    ):
      parts.begin({"": b"<", "names": b""})
      append(parts, b"a")
      raise KeyboardInterrupt
    assert opened(output).rows == 2

  def test_other_errors_stay_as_they_are(self, begun, tmp_path):
    with pytest.raises(FileNotFoundError):
      begun(str(tmp_path / "none" / "x"))


def interrupted(paths, temporary):
  raise KeyboardInterrupt


_FULL = """
import resource, sys
sys.path.insert(0, ".")
from bert_ja.encoding import part_files
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
  with part_files.opened(sys.argv[1], ["", "names"], "k") as parts:
    parts.begin({"": b"<", "names": b""})
    while True:
      parts.append([{"": b"x" * 300, "names": b"y" * 10}], 2, "d")
except OSError as error:
  print(error.errno, error)
"""


class TestFullDisk:
  """A limit of the size of files fails as a full disk does."""

  def fill(self, output, limit):
    program = [sys.executable, "-c", _FULL, output, str(limit)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout

  def test_whole_blocks_stay_and_one_line_says_so(self, begun, output):
    printed = self.fill(output, 1000)
    assert f"{output}: no space for more than 6 rows, which are kept" in printed
    assert printed.endswith("give the same command again\n")
    parts = begun(output)
    assert parts.rows == 6
    assert contents(parts) == [b"<" + b"x" * 900, b"y" * 30]

  def test_nothing_stays_where_nothing_fits(self, output):
    assert f"{output}: no space (File too large); make some" in self.fill(output, 0)
    assert os.listdir(os.path.dirname(output)) == []

  def test_the_end_says_it_too(self, begun, output):
    def full(paths, temporary):
      pathlib.Path(temporary).write_text("a")
      raise OSError(errno.ENOSPC, "No space left on device")

    parts = begun(output)
    append(parts, b"a")
    with pytest.raises(OSError, match="no space for more than 2 rows, which are kept"):
      parts.finish(full)
    assert not os.path.exists(f"{output}.part.new")
    assert begun(output).rows == 2
