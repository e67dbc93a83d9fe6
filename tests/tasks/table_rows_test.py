"""Texts that stand in another file, and the rows before a row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_ja.tasks import table_rows


@pytest.fixture
def read(tmp_path):
  """Function: a file's name and text -> the texts in it."""

  def read(name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return table_rows.read_texts(str(path))

  return read


class TestReadTexts:
  @pytest.mark.parametrize(
    ("name", "text"),
    [
      ("t.json", '{"駅": "店が並ぶ。", "7": "x,\\ty"}'),
      ("t.json", '[{"id": "駅", "text": "店が並ぶ。"}, {"id": 7, "text": "x,\\ty"}]'),
      ("t.jsonl", '{"id":"駅","text":"店が並ぶ。"}\n{"id":"7","text":"x,\\ty"}\n'),
      ("t.csv", 'text,id,more\n店が並ぶ。,駅,1\n"x,\ty",7,2\n'),
      ("t.tsv", 'id\ttext\n駅\t店が並ぶ。\n7\t"x,\ty"\n'),
    ],
  )
  def test_an_object_and_tables_give_the_same(self, read, name, text):
    assert read(name, text) == {"駅": "店が並ぶ。", "7": "x,\ty"}

  def test_other_columns_are_told(self, read):
    message = (
      "--texts_file=.*t.csv: expected columns id and text, or a JSON object .*; it has "
      "title, text"
    )
    with pytest.raises(ValueError, match=message):
      read("t.csv", "title,text\na,b\n")

  def test_an_id_may_be_repeated_with_the_same_text_alone(self, read):
    assert read("t.csv", "id,text\na,x\na,x\n") == {"a": "x"}
    message = "t.csv, line 4: id 'a' has another text further up; give each id one text"
    with pytest.raises(ValueError, match=message):
      read("t.csv", "id,text\na,x\nb,x\na,y\n")

  def test_of_an_id_that_is_twice_in_an_object_no_text_is_lost(self, read):
    assert read("t.json", '{"a": "x", "a": "x"}') == {"a": "x"}
    with pytest.raises(ValueError, match="t.json: id 'a' has another text further up"):
      read("t.json", '{"a": "x", "b": "y", "a": "z"}')

  def test_a_value_that_is_no_text_is_named(self, read):
    with pytest.raises(
      ValueError, match="t.json, column 'b': expected a text, found noth"
    ):
      read("t.json", json.dumps({"a": "x", "b": None}))
    with pytest.raises(
      ValueError, match="t.jsonl, line 2, column 'text': expected a te"
    ):
      read("t.jsonl", '{"id": "a", "text": "x"}\n{"id": "b"}\n')


class TestContexts:
  @given(st.integers(0, 4), st.lists(st.sampled_from(["d", "e"]), max_size=12))
  def test_a_context_is_what_stands_before_in_the_same_document(self, count, documents):
    contexts = table_rows.Contexts(count)
    for row, document in enumerate(documents):
      same = [str(other) for other in range(row) if documents[other] == document]
      expected = " ".join(same[max(len(same) - count, 0) :])
      assert contexts.before(str(row), document) == expected
