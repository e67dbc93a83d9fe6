"""Tables: rows and their line numbers, quotes, errors that name the place."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja import table_files

# NUL and escape are signs of other encodings.
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0\x1b"))


def write(folder, name, text, encoding="utf-8"):
  path = folder / name
  path.write_bytes(text.encode(encoding))
  return str(path)


def read(folder, name, text):
  return table_files.read_table(write(folder, name, text))


class TestEncoding:
  MESSAGE = (
    r"line 2: expected UTF-8, found an escape sequence of ISO-2022-JP; convert the "
    r"file, for example with iconv -f ISO-2022-JP -t UTF-8$"
  )

  # All bytes are those of ASCII, and in JSON an escape sequence is no text.
  @pytest.mark.parametrize(
    ("name", "text"),
    [
      ("a.csv", "text,label\n駅前の店,1\n"),
      ("a.tsv", "text\tlabel\n駅前の店\t1\n"),
      ("a.jsonl", '{"text": "store"}\n{"text": "駅前の店"}\n'),
      ("a.json", '[{"text": "store"},\n{"text": "駅前の店"}]\n'),
    ],
  )
  def test_iso_2022_jp_is_told_with_file_and_line(self, tmp_path, name, text):
    path = write(tmp_path, name, text, "iso2022_jp")
    with pytest.raises(ValueError, match=f"{name}, {self.MESSAGE}"):
      table_files.read_table(path)

  def test_rows_without_column_names_too(self, tmp_path):
    path = write(tmp_path, "a.tsv", "store\t1\n駅前の店\t1\n", "iso2022_jp")
    with pytest.raises(ValueError, match=f"a.tsv, {self.MESSAGE}"):
      table_files.read_tsv(path)


@pytest.mark.parametrize(
  ("path", "expected"),
  [("a.csv", True), ("d/a.JSONL", True), ("a.txt", False), ("-", False)],
)
def test_a_table_is_told_by_its_ending(path, expected):
  assert table_files.is_table(path) == expected


class TestReadTsv:
  def test_quotes_are_ordinary_and_empty_lines_are_empty_rows(self, tmp_path):
    path = write(tmp_path, "a.tsv", '"a\tb "c"\r\n\n""\tx\u2028y\n')
    assert table_files.read_tsv(path) == [['"a', 'b "c"'], [], ['""', "x\u2028y"]]


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
      table_files.read_table(path)

  def test_a_bad_list_is_named_with_line_and_column(self, tmp_path):
    with pytest.raises(ValueError, match="a.json, line 2, column 1: not JSON"):
      read(tmp_path, "a.json", '[{"a": 1}\n{"a": 2}]')

  def test_a_row_that_is_no_object_is_named(self, tmp_path):
    message = "a.jsonl, line 1: expected a JSON object, found int"
    with pytest.raises(ValueError, match=message):
      read(tmp_path, "a.jsonl", "3\n")


class TestStreamTable:
  def stream(self, folder, name, text):
    columns, rows = table_files.stream_table(write(folder, name, text))
    return columns, list(rows)

  @pytest.mark.parametrize(
    ("name", "text"),
    [
      ("a.csv", '\ufefftext, label\n\n一,0\n\n"2,\n""3""",1\r\n四,\u2028\r五,2'),
      ("a.tsv", 'id\ttext\n\n1\t"one\n\nmore"\n2\t"two\n3\t"a\t""b"""\r\n4\t"'),
      ("a.tsv", '"a"\tb\n"1"\t"open\n2\t"open\n3\tend"\n4\tx'),
      ("a.jsonl", '{"a": 1}\n\n{"b": "x\u2028"}\r\n'),
      ("a.json", '\n [{"a": 1},\n{"b": "]"}]\n'),
      ("a.json", '{"a": 1}\n{"b": 2}\n'),
    ],
  )
  def test_has_the_rows_of_the_whole_table(self, tmp_path, name, text):
    columns, rows = self.stream(tmp_path, name, text)
    known, expected = read(tmp_path, name, text)
    assert rows == expected
    assert columns == (None if "json" in name else known)
    assert len(rows) > 1

  @pytest.mark.parametrize(
    ("name", "start", "row"),
    [
      ("a.csv", b"a,b\n1,2\n", {"a": "1", "b": "2"}),
      ("a.tsv", b"a\tb\n1\t2\n", {"a": "1", "b": "2"}),
      ("a.jsonl", b'{"a": 1}\n', {"a": 1}),
    ],
  )
  def test_reads_a_row_when_it_is_asked_for(self, tmp_path, name, start, row):
    path = tmp_path / name
    path.write_bytes(start + b"\xff")
    _, rows = table_files.stream_table(str(path))
    assert next(rows)[1] == row
    with pytest.raises(ValueError, match=r"line \d: expected UTF-8, found byte 0xff"):
      next(rows)

  @pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
  def test_empty_lines_of_one_column_are_rows(self, tmp_path, name):
    columns, rows = self.stream(tmp_path, name, '\ntext\na\n\n""\nb\n\n')
    assert columns == ["text"]
    texts = [(line, row["text"]) for line, row in rows]
    assert texts == [(3, "a"), (4, ""), (5, ""), (6, "b"), (7, "")]

  @pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
  def test_a_table_without_a_header_is_told(self, tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} is empty; expected a header line"):
      self.stream(tmp_path, name, "\n\n")

  def test_a_row_of_another_width_is_named(self, tmp_path):
    with pytest.raises(ValueError, match="a.csv, line 3: expected 2 cells .* found 1"):
      self.stream(tmp_path, "a.csv", "a,b\n1,2\n3\n")

  def test_another_ending_is_an_error(self, tmp_path):
    with pytest.raises(ValueError, match="a.txt: expected a file ending in .csv"):
      self.stream(tmp_path, "a.txt", "a\n")

  def test_packed_tables_are_unpacked(self, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    _, rows = table_files.stream_table(str(path))
    assert list(rows) == [(2, {"a": "1", "b": "2"})]
