"""Files: reading whole and by line, errors that name the place, whole writing."""

import errno
import gzip
import os
import subprocess
import sys

import pytest

from bert_ja import text_io


def write(folder, name, text, encoding="utf-8"):
  path = folder / name
  path.write_bytes(text.encode(encoding))
  return str(path)


class TestFiles:
  def test_import_does_not_load_tensorflow(self):
    code = "import sys, bert_ja.text_io; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

  def test_only_a_scheme_makes_a_path_remote(self):
    assert text_io.is_remote("gs://bucket/vocab.txt")
    assert not text_io.is_remote("/data/gs:/vocab.txt")

  def test_listing_and_globbing_are_sorted(self, tmp_path):
    for name in ("b.txt", "a.txt", "c.csv"):
      write(tmp_path, name, "")
    assert text_io.listdir(str(tmp_path)) == ["a.txt", "b.txt", "c.csv"]
    found = text_io.glob(str(tmp_path / "*.txt"))
    assert [os.path.basename(path) for path in found] == ["a.txt", "b.txt"]

  def test_makedirs_accepts_an_existing_directory(self, tmp_path):
    path = str(tmp_path / "one" / "two")
    text_io.makedirs(path)
    text_io.makedirs(path)
    assert text_io.isdir(path) and text_io.exists(path)

  def test_remove_accepts_a_missing_file(self, tmp_path):
    path = write(tmp_path, "a", "x")
    text_io.remove(path)
    text_io.remove(path)
    assert not text_io.exists(path)

  def test_rename_replaces_the_target(self, tmp_path):
    source, target = write(tmp_path, "a", "new"), write(tmp_path, "b", "old")
    text_io.rename(source, target)
    assert text_io.read_text(target) == "new" and not text_io.exists(source)

  def test_copy_keeps_bytes_and_size(self, tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(bytes(range(256)) * 5)
    text_io.copy(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert text_io.size(str(target)) == 1280

  def test_remote_paths_go_through_tensorflow(self, tmp_path):
    import tensorflow as tf

    path = "ram://text_io_test/one.txt"
    text_io.makedirs("ram://text_io_test")
    text_io.write_text(path, "パン\n")
    assert text_io.exists(path) and text_io.size(path) == 7
    assert text_io.read_lines(path) == ["パン"]
    text_io.copy(path, str(tmp_path / "local"))
    assert (tmp_path / "local").read_text(encoding="utf-8") == "パン\n"
    text_io.remove(path)
    assert not tf.io.gfile.exists(path)
    with pytest.raises(FileNotFoundError, match="one.txt does not exist"):
      text_io.read_text(path)


class TestWrittenWhole:
  def test_text_keeps_its_line_ends(self, tmp_path):
    path = tmp_path / "a.txt"
    text_io.write_text(str(path), "一\r\n二\n")
    assert path.read_bytes() == "一\r\n二\n".encode()

  def test_a_failed_block_leaves_the_old_file_and_nothing_else(self, tmp_path):
    path = write(tmp_path, "a.txt", "old")
    with pytest.raises(RuntimeError), text_io.written_whole(path) as writer:
      writer.write("half")
      raise RuntimeError
    assert text_io.read_text(path) == "old"
    assert os.listdir(tmp_path) == ["a.txt"]

  @pytest.mark.parametrize("name", ["there", None])
  def test_a_full_disk_names_the_file(self, tmp_path, name):
    path = str(tmp_path / "a")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    with (
      pytest.raises(OSError, match="No space") as caught,
      text_io.written_whole(path),
    ):
      raise full
    assert caught.value.filename == (name or path)

  def test_a_disk_without_room_for_its_name_names_the_file(self, tmp_path):
    path = str(tmp_path / "a")
    with (
      pytest.raises(OSError, match="No space") as caught,
      text_io.path_written_whole(path) as temporary,
    ):
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), temporary)
    assert caught.value.filename == path

  def test_a_failed_block_by_path_leaves_nothing(self, tmp_path):
    path = str(tmp_path / "a.bin")
    with pytest.raises(RuntimeError), text_io.path_written_whole(path) as temporary:
      write(tmp_path, os.path.basename(temporary), "half")
      raise RuntimeError
    assert os.listdir(tmp_path) == []


class TestNamedBy:
  def test_a_file_that_looks_like_a_pattern_is_itself(self, tmp_path):
    paths = [write(tmp_path, name, "") for name in ("a1", "a2", "a[1]")]
    assert text_io.named_by(paths[2]) == [paths[2]]
    assert text_io.named_by(f"{tmp_path}/a[12]") == paths[:2]
    assert text_io.named_by(f"{tmp_path}/b*") == []

  def test_patterns_pass_over_what_stands_beside_files(self, tmp_path):
    names = ("a", "a.key", "a.tmp", "a.tmp-12", "a.tmp-12.key", "key", "b.tmp-1/c")
    (tmp_path / "b.tmp-1").mkdir()
    paths = [write(tmp_path, name, "") for name in names]
    assert text_io.named_by(f"{tmp_path}/*[!1]") == [paths[0], paths[2], paths[5]]
    assert text_io.named_by(f"{tmp_path}/b*/*") == [paths[6]]
    with text_io.path_written_whole(f"{tmp_path}/d") as temporary:
      write(tmp_path, os.path.basename(temporary), "")
      assert text_io.named_by(f"{tmp_path}/d*") == []
    assert text_io.named_by(paths[1]) == [paths[1]]


class TestStreamLines:
  @pytest.mark.parametrize(
    "text", ["", "a", "\ufeffあ\r\n\ufeffb\n\n", "a\x85b\u2028c\rd\n"]
  )
  @pytest.mark.parametrize("pack", [bytes, gzip.compress])
  def test_gives_the_lines_of_the_whole_text(self, tmp_path, text, pack):
    (tmp_path / "plain").write_bytes(text.encode())
    (tmp_path / "a").write_bytes(pack(text.encode()))
    lines = list(text_io.stream_lines(str(tmp_path / "a")))
    assert lines == text_io.read_lines(str(tmp_path / "plain"))

  def test_another_encoding_is_named_with_its_line(self, tmp_path):
    path = write(tmp_path, "a.txt", "abc\n日本", encoding="cp932")
    message = r"a.txt, line 2: expected UTF-8, found byte 0x93; .*iconv"
    with pytest.raises(ValueError, match=message):
      list(text_io.stream_lines(path))

  @pytest.mark.parametrize(
    ("encoding", "line"), [("iso2022_jp", 2), ("utf-16-le", 1), ("utf-16-be", 1)]
  )
  def test_an_encoding_of_bytes_that_utf_8_has_is_named(self, tmp_path, encoding, line):
    # The bytes of each are those of other text in UTF-8.
    path = write(tmp_path, "a.txt", "abc\n犬\n", encoding=encoding)
    name = "ISO-2022-JP" if line == 2 else "UTF-16"
    message = f"a.txt, line {line}: expected UTF-8, found .*iconv -f {name} "
    with pytest.raises(ValueError, match=message):
      list(text_io.stream_lines(path))

  def test_another_escape_sequence_is_text(self, tmp_path):
    path = write(tmp_path, "a.txt", "\x1b[1m犬\x1b[0m\n")
    assert list(text_io.stream_lines(path)) == ["\x1b[1m犬\x1b[0m"]

  def test_a_damaged_archive_is_told(self, tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a\n" * 9999)[:-20])
    with pytest.raises(ValueError, match=r"a.gz is a damaged gzip file"):
      list(text_io.stream_lines(str(tmp_path / "a.gz")))


class TestReadText:
  def test_a_byte_order_mark_is_dropped(self, tmp_path):
    assert text_io.read_text(write(tmp_path, "a", "\ufeffあ\ufeff")) == "あ\ufeff"

  def test_another_encoding_is_named_with_its_line(self, tmp_path):
    path = write(tmp_path, "a.txt", "abc\n日本", encoding="cp932")
    message = r"a.txt, line 2: expected UTF-8, found byte 0x93; .*iconv"
    with pytest.raises(ValueError, match=message):
      text_io.read_text(path)

  @pytest.mark.parametrize("encoding", ["iso2022_jp", "utf-16", "utf-16-le"])
  def test_an_encoding_is_told_as_in_lines_one_by_one(self, tmp_path, encoding):
    path = write(tmp_path, "a.txt", "\x1b[1mabc\n犬\n猫\n", encoding=encoding)
    with pytest.raises(ValueError, match="iconv -f [IU]") as streamed:
      list(text_io.stream_lines(path))
    with pytest.raises(ValueError, match="a.txt, line") as whole:
      text_io.read_text(path)
    assert str(whole.value) == str(streamed.value)

  def test_another_escape_sequence_is_text(self, tmp_path):
    text = "\x1b[1m犬\x1b[0m\n"
    assert text_io.read_text(write(tmp_path, "a.txt", text)) == text

  def test_only_lf_and_crlf_end_a_line(self, tmp_path):
    text = "a\x85b\u2028c\x0bd\re\r\nf\n\ng"
    expected = ["a\x85b\u2028c\x0bd\re", "f", "", "g"]
    assert text_io.read_lines(write(tmp_path, "a", text)) == expected

  def test_an_empty_file_has_no_lines(self, tmp_path):
    assert text_io.read_lines(write(tmp_path, "a", "")) == []

  def test_a_missing_file_is_not_found(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.txt"):
      text_io.read_lines(str(tmp_path / "none.txt"))


class TestJson:
  def test_value_round_trip_keeps_japanese_readable(self, tmp_path):
    path = str(tmp_path / "a.json")
    text_io.write_json(path, {"文": [1, None]})
    assert text_io.read_json(path) == {"文": [1, None]}
    assert "文" in text_io.read_text(path)

  def test_bad_json_is_named_with_line_and_column(self, tmp_path):
    path = write(tmp_path, "a.json", '{"a": 1,\n  b: 2}')
    with pytest.raises(ValueError, match=r"a.json, line 2, column 3: not JSON \(Exp"):
      text_io.read_json(path)


class TestNumbered:
  def test_each_name_has_its_number_before_the_ending(self):
    assert text_io.numbered("a.b/c.txt", 2) == [
      "a.b/c-00000-of-00002.txt",
      "a.b/c-00001-of-00002.txt",
    ]
    assert text_io.numbered("a.b/c", 12)[11] == "a.b/c-00011-of-00012"

  def test_one_file_has_its_own_name(self):
    assert text_io.numbered("a.txt", 1) == ["a.txt"]


class TestAbsolute:
  def test_a_path_of_another_file_system_stays(self, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert text_io.absolute("a/../b") == f"{tmp_path}/b"
    assert text_io.absolute("gs://a/b") == "gs://a/b"


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("a\tb\r\nc\vd", "a b c d"),
    ("a\0b\x85c\u2028d", "a b c d"),
    ("\u3000a  b ", "\u3000a  b "),
  ],
)
def test_a_text_stays_one_cell(text, expected):
  assert text_io.one_cell(text) == expected
