"""Files: reading by line and by column, errors that name the place, whole writing."""

import errno
import gzip
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja import text_io

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))


def write(folder, name, text, encoding="utf-8"):
  path = folder / name
  path.write_bytes(text.encode(encoding))
  return str(path)


def read(folder, name, text):
  return text_io.read_table(write(folder, name, text))


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


class TestReadTsv:
  def test_quotes_are_ordinary_and_empty_lines_are_empty_rows(self, tmp_path):
    path = write(tmp_path, "a.tsv", '"a\tb "c"\r\n\n""\tx\u2028y\n')
    assert text_io.read_tsv(path) == [['"a', 'b "c"'], [], ['""', "x\u2028y"]]


class TestReadTableCsv:
  def test_rows_come_with_their_line_numbers(self, tmp_path):
    columns, rows = read(tmp_path, "a.csv", "\ufefftext, label\n一,0\n\n二,1\n")
    assert columns == ["text", "label"]
    assert rows == [
      (2, {"text": "一", "label": "0"}),
      (4, {"text": "二", "label": "1"}),
    ]

  def test_quoted_cells_hold_commas_quotes_and_line_breaks(self, tmp_path):
    _, rows = read(tmp_path, "a.csv", 'a,b\n"1,\n""2""",3\n4,5\n')
    assert rows == [(2, {"a": '1,\n"2"', "b": "3"}), (4, {"a": "4", "b": "5"})]

  def test_unicode_line_separators_do_not_end_a_row(self, tmp_path):
    cell = "a\u2028b\u2029c\x85d\x1ce\x0bf\x0cg"
    _, rows = read(tmp_path, "a.csv", f"text,label\n{cell},1\n")
    assert rows == [(2, {"text": cell, "label": "1"})]

  def test_a_cell_may_be_as_long_as_a_book(self, tmp_path):
    book = "本" * 200_000
    _, rows = read(tmp_path, "a.csv", f"text,label\n{book},1\n")
    assert rows[0][1]["text"] == book

  def test_cells_too_many_or_few_are_named(self, tmp_path):
    message = r"a.csv, line 3: expected 2 cells \(text, label\), found 3"
    with pytest.raises(ValueError, match=message):
      read(tmp_path, "a.csv", "text,label\na,1\nb,c,1\n")

  def test_a_bad_quote_is_named_with_the_line_its_row_starts_on(self, tmp_path):
    message = r"a.csv, line 3: .*a quote inside a quoted cell is written twice"
    with pytest.raises(ValueError, match=message):
      read(tmp_path, "a.csv", 'a,b\n1,2\n"x" y,2\n')

  def test_a_repeated_column_is_named(self, tmp_path):
    with pytest.raises(ValueError, match="a.csv, line 1: column 'text' is there twice"):
      read(tmp_path, "a.csv", "text,text\na,b\n")

  def test_an_empty_file_needs_a_header(self, tmp_path):
    with pytest.raises(ValueError, match="a.csv is empty; expected a header line"):
      read(tmp_path, "a.csv", "\n")

  def test_another_ending_is_an_error(self, tmp_path):
    message = (
      r"a.txt: expected a file ending in .csv, .tsv, .json or .jsonl, found '.txt'"
    )
    with pytest.raises(ValueError, match=message):
      read(tmp_path, "a.txt", "text\n")

  @settings(max_examples=50, deadline=None)
  @given(st.lists(st.tuples(CELL, CELL), min_size=1))
  def test_what_the_csv_module_writes_is_read_back(self, tmp_path_factory, rows):
    import csv
    import io

    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([("a", "b"), *rows])
    folder = tmp_path_factory.mktemp("csv")
    _, found = read(folder, "a.csv", buffer.getvalue())
    assert [(row["a"], row["b"]) for _, row in found] == rows


class TestReadTableTsv:
  def rows(self, folder, body):
    _, rows = read(folder, "a.tsv", "id\ttext\n" + body)
    return [(line, row["id"], row["text"]) for line, row in rows]

  def test_quotes_within_a_cell_are_ordinary(self, tmp_path):
    body = '1\the said "yes"\n2\t"no" she said\n3\t"\n'
    assert self.rows(tmp_path, body) == [
      (2, "1", 'he said "yes"'),
      (3, "2", '"no" she said'),
      (4, "3", '"'),
    ]

  def test_a_wholly_quoted_cell_is_unquoted(self, tmp_path):
    body = '1\t"he said ""yes"""\n"2"\t""\n'
    assert self.rows(tmp_path, body) == [(2, "1", 'he said "yes"'), (3, "2", "")]

  def test_an_opening_quote_does_not_swallow_the_next_rows(self, tmp_path):
    body = '1\t"one\n2\ttwo\n3\tthree"\n'
    expected = [(2, "1", '"one'), (3, "2", "two"), (4, "3", 'three"')]
    assert self.rows(tmp_path, body) == expected

  def test_a_quoted_line_break_is_part_of_the_cell(self, tmp_path):
    body = '1\t"one\n\nmore"\n2\ttwo\n'
    assert self.rows(tmp_path, body) == [(2, "1", "one\n\nmore"), (5, "2", "two")]

  def test_a_quoted_tab_is_part_of_the_cell(self, tmp_path):
    body = '1\t"one\t""two"""\n'
    assert self.rows(tmp_path, body) == [(2, "1", 'one\t"two"')]

  def test_unicode_line_separators_do_not_end_a_row(self, tmp_path):
    assert self.rows(tmp_path, "1\ta\u2028b\x85c\n") == [(2, "1", "a\u2028b\x85c")]

  def test_blank_lines_are_left_out(self, tmp_path):
    assert self.rows(tmp_path, "\n1\ta\n\n") == [(3, "1", "a")]

  def test_an_unclosed_quote_in_a_short_row_is_a_short_row(self, tmp_path):
    message = r"a.tsv, line 3: expected 2 cells \(id, text\), found 1"
    with pytest.raises(ValueError, match=message):
      self.rows(tmp_path, '1\ta\n"2\n3\tb\n')

  @settings(max_examples=50, deadline=None)
  @given(st.lists(st.tuples(st.integers(0, 9), CELL), min_size=1))
  def test_a_quoting_writers_line_breaks_and_tabs_are_read_back(
    self, tmp_path_factory, rows
  ):
    import csv
    import io

    buffer = io.StringIO(newline="")
    writer = csv.writer(
      buffer, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
    )
    # The last column never breaks, so that no part of a row looks like a row.
    writer.writerows([(text, number, number) for number, text in rows])
    body = "text\tid\tlast\n" + buffer.getvalue()
    _, found = read(tmp_path_factory.mktemp("tsv"), "a.tsv", body)
    assert [row["id"] for _, row in found] == [str(number) for number, _ in rows]
    assert [row["text"] for _, row in found] == [text for _, text in rows]


class TestReadTableJson:
  def test_one_object_a_line(self, tmp_path):
    columns, rows = read(tmp_path, "a.jsonl", '{"a": 1}\n\n{"b": "x\u2028"}\n')
    assert columns == ["a", "b"]
    assert rows == [(1, {"a": 1}), (3, {"b": "x\u2028"})]

  def test_a_list_of_objects_keeps_lines(self, tmp_path):
    values = [{"a": "}\n,{"}, {"a": [1, {"b": 2}]}, {}]
    text = "\n" + json.dumps(values, indent=1) + "\n"
    assert read(tmp_path, "a.json", text) == (
      ["a"],
      [(3, values[0]), (6, values[1]), (14, values[2])],
    )

  def test_an_empty_list_has_no_rows(self, tmp_path):
    assert read(tmp_path, "a.json", "[ ]") == ([], [])

  def test_a_bad_line_is_named(self, tmp_path):
    message = r"a.jsonl, line 2: expected one JSON object a line \(Expecting"
    with pytest.raises(ValueError, match=message):
      read(tmp_path, "a.jsonl", '{"a": 1}\n{"a": }\n')

  def test_a_line_that_goes_too_deep_is_named(self, tmp_path):
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n{"a": ' + "[" * 100_000)
    with pytest.raises(ValueError, match=r"a.jsonl, line 2: JSON that cannot be read"):
      text_io.read_table(path)

  def test_a_bad_list_is_named_with_line_and_column(self, tmp_path):
    with pytest.raises(ValueError, match="a.json, line 2, column 1: not JSON"):
      read(tmp_path, "a.json", '[{"a": 1}\n{"a": 2}]')

  def test_a_row_that_is_no_object_is_named(self, tmp_path):
    message = "a.jsonl, line 1: expected a JSON object, found int"
    with pytest.raises(ValueError, match=message):
      read(tmp_path, "a.jsonl", "3\n")
