"""Texts of files by line and column, and the model's rows of them."""

import io
import os
import pathlib
import threading
import types

import pytest

from bert_ja import front_ends
from bert_ja.data import text_rows


@pytest.fixture
def tokenizer(vocab_file):
  """Pieces with spaces between them; w0 has id 5."""
  pieces = [f"w{index}" for index in range(20)]
  return front_ends.create("pretokenized", vocab_file(*pieces))


def words(*numbers):
  return " ".join(f"w{number}" for number in numbers)


class TestRead:
  def lines(self, tmp_path, data):
    path = tmp_path / "texts.txt"
    path.write_bytes(data)
    return list(text_rows.read(str(path)))

  @pytest.mark.parametrize(
    ("line", "text"),
    [
      ("  a b\u3000", "a b"),
      ("a ||| b", ("a", "b")),
      # The last separator wins; it has spaces on both sides.
      ("a ||| b ||| c", ("a ||| b", "c")),
      ("a||| b", "a||| b"),
      ("||| b", "||| b"),
      ("a |||  ", "a |||"),
      ("a |||  b", ("a", " b")),
      ("", ""),
    ],
  )
  def test_a_line(self, tmp_path, line, text):
    assert self.lines(tmp_path, f"{line}\n".encode()) == [text]

  def test_empty_lines_are_texts(self, tmp_path):
    assert self.lines(tmp_path, b"a\n\n \r\nb") == ["a", "", "", "b"]

  def test_standard_input(self, monkeypatch):
    stream = types.SimpleNamespace(buffer=io.BytesIO("店\nb ||| c\n".encode()))
    monkeypatch.setattr(text_rows.sys, "stdin", stream)
    assert list(text_rows.read("-")) == ["店", ("b", "c")]

  def test_lines_that_are_not_utf_8_are_named(self, tmp_path):
    with pytest.raises(ValueError, match=r"texts\.txt, line 3: expected UTF-8"):
      self.lines(tmp_path, "a\n店\n".encode() + "店\n".encode("cp932"))

  def test_lines_before_a_wrong_one_are_read(self, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes(b"a\n\xff\n")
    assert next(text_rows.read(str(path))) == "a"

  def test_columns_of_a_table(self, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('n,x,y\n1," a ",b\n2,"c,\nd",\n')
    assert list(text_rows.read(str(path), ["x"])) == ["a", "c,\nd"]
    assert list(text_rows.read(str(path), ["y", "x"])) == [("b", "a"), ("", "c,\nd")]

  def test_columns_of_json_lines(self, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"t": "a ||| b"}\n{"t": "c"}\n')
    assert list(text_rows.read(str(path), ["t"])) == ["a ||| b", "c"]

  @pytest.mark.parametrize("name", ["table.csv", "table.tsv"])
  def test_empty_lines_of_the_only_column_are_texts(self, tmp_path, name):
    path = tmp_path / name
    path.write_text('t\na\n\nb\n""\n')
    assert list(text_rows.read(str(path), ["t"])) == ["a", "", "b", ""]

  def test_a_table_is_read_row_by_row(self, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"t\na\n\xff\n")
    assert next(text_rows.read(str(path), ["t"])) == "a"

  def test_half_a_character_is_told_with_its_line(self, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"t": "\\ud83d\\ude00"}\n{"t": "a\\ud83d"}\n')
    rows = text_rows.read(str(path), ["t"])
    assert next(rows) == "\U0001f600"
    message = r"table\.jsonl, line 2: half a character, \\ud83d, in 't'.* take it out"
    with pytest.raises(ValueError, match=message):
      next(rows)

  def test_a_pipe_is_read_once(self, tmp_path):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    assert text_rows.is_read_once(path)
    writer = threading.Thread(
      target=lambda: pathlib.Path(path).write_bytes("a\n店 ||| b\n".encode())
    )
    writer.start()
    assert list(text_rows.read(path)) == ["a", ("店", "b")]
    writer.join()

  def test_a_pipe_is_named_where_a_line_is_wrong(self, tmp_path):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: pathlib.Path(path).write_bytes(b"a\n\xff"))
    writer.start()
    with pytest.raises(ValueError, match="pipe, line 2: expected UTF-8"):
      list(text_rows.read(path))
    writer.join()

  def test_files_are_read_as_often_as_needed(self, tmp_path):
    path = tmp_path / "x.txt"
    for name in (path, tmp_path, "gs://bucket/x.txt"):
      assert not text_rows.is_read_once(str(name))
    path.write_text("a")
    assert not text_rows.is_read_once(str(path))
    assert text_rows.is_read_once("-")

  def test_a_column_that_is_not_there(self, tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("x\ty\n1\t2\n")
    with pytest.raises(ValueError, match="has no column 'z'; give one or two of x, y"):
      list(text_rows.read(str(path), ["z"]))

  def test_a_first_object_without_the_column(self, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"u": "b", "v": "c"}\n{"t": "a"}\n')
    message = "line 1 has no column 't'; give one or two of u, v with --text_columns"
    with pytest.raises(ValueError, match=message):
      list(text_rows.read(str(path), ["t"]))

  def test_a_later_object_without_the_column(self, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"t": "a"}\n{"u": "b", "v": "c"}\n')
    message = r'line 2 lacks \'t\', which must be in each row; add it \(""'
    with pytest.raises(ValueError, match=message):
      list(text_rows.read(str(path), ["t"]))

  def test_a_cell_without_text(self, tmp_path):
    path = tmp_path / "table.jsonl"
    path.write_text('{"t": "a"}\n{"t": 5}\n')
    with pytest.raises(ValueError, match="line 2: expected a text in 't', found 5"):
      list(text_rows.read(str(path), ["t"]))

  def test_columns_need_a_file(self, tmp_path):
    pipe = str(tmp_path / "pipe.csv")
    os.mkfifo(pipe)
    for path in ("-", pipe):
      with pytest.raises(ValueError, match=f"--text_columns=a: .*1 of {path}"):
        list(text_rows.read(path, ["a"]))

  def test_three_columns(self):
    with pytest.raises(ValueError, match="--text_columns=a,b,c: .* found 3 of x.csv"):
      list(text_rows.read("x.csv", ["a", "b", "c"]))


class TestModelRows:
  def rows(self, tokenizer, text, length, long_text="truncate"):
    found = text_rows.model_rows((tokenizer, length, long_text), text)
    return [(row.ids, row.segment_ids) for row in found]

  def test_a_text(self, tokenizer):
    assert self.rows(tokenizer, words(1, 2), 9) == [([2, 6, 7, 3], [0] * 4)]

  def test_a_pair(self, tokenizer):
    pair = words(1, 2), words(3)
    expected = [2, 6, 7, 3, 8, 3], [0, 0, 0, 0, 1, 1]
    assert self.rows(tokenizer, pair, 9) == [expected]

  def test_a_pair_without_a_second_text(self, tokenizer):
    expected = self.rows(tokenizer, words(1), 9)
    assert self.rows(tokenizer, (words(1), ""), 9) == expected

  def test_an_empty_text(self, tokenizer):
    for long_text in text_rows.LONG_TEXTS:
      assert self.rows(tokenizer, "", 9, long_text) == [([2, 3], [0, 0])]

  def test_long_texts_are_cut(self, tokenizer):
    assert self.rows(tokenizer, words(*range(9)), 5) == [([2, 5, 6, 7, 3], [0] * 5)]

  def test_of_a_long_pair_the_longer_text_is_cut(self, tokenizer):
    pair = words(*range(9)), words(1)
    assert self.rows(tokenizer, pair, 6, "windows") == [
      ([2, 5, 6, 3, 6, 3], [0, 0, 0, 0, 1, 1])
    ]

  def test_windows_stand_side_by_side(self, tokenizer):
    found = self.rows(tokenizer, words(*range(7)), 5, "windows")
    assert [ids for ids, _ in found] == [
      [2, 5, 6, 7, 3],
      [2, 8, 9, 10, 3],
      [2, 11, 3],
    ]

  def test_a_text_that_just_fits_is_one_window(self, tokenizer):
    found = self.rows(tokenizer, words(*range(6)), 5, "windows")
    assert [len(ids) for ids, _ in found] == [5, 5]
