"""Options that change a table's rows, end to end: what a trained model keeps of them."""

import json
import os
import random

import pytest

from bert_ja import table_files
from tests.scripts import runs

pytestmark = pytest.mark.slow

_LENGTH = 10
_TRAINED = {
  "context_sentences": 3,
  "document_column": "book",
  "positive_labels": "b,c",
  "drop_longer": True,
  "texts_file": "texts.json",
  "max_seq_length": _LENGTH,
}
# The longest rows of the test set have more words than a row has room for.
_COUNTS = (2, 8, 3, 5, 9, 1)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  """Pairs files of ids; texts of 1 to 9 words, rows of three labels in two books."""
  directory = str(tmp_path_factory.mktemp("inputs"))
  runs.write_inputs(directory)
  draw, texts = random.Random(3), {}
  for split in ("train", "dev", "test"):
    os.remove(f"{directory}/{split}.csv")
    rows = ["text,label,book"]
    for number, count in enumerate(_COUNTS * 4):
      texts[f"{split} {number}"] = " ".join(
        f"w{draw.randrange(40)}" for _ in range(count)
      )
      rows.append(f"{split} {number},{'abc'[number % 3]},{number // 7 % 2}")
    with open(f"{directory}/{split}.csv", "w") as writer:
      writer.write("\n".join(rows) + "\n")
  os.mkdir(f"{directory}/unlabelled")
  with open(f"{directory}/unlabelled/test.csv", "w") as writer:
    writer.write("text,book\n" + "".join(f"{name},x\n" for name in list(texts)[:6]))
  for place in (directory, f"{directory}/unlabelled"):
    with open(f"{place}/texts.json", "w") as writer:
      json.dump(texts, writer)
  return directory


@pytest.fixture(scope="module")
def results(inputs, tmp_path_factory):
  """(root of the output directories, log of each run)."""
  root = str(tmp_path_factory.mktemp("results"))
  sets = {"do_eval": True, "do_predict": True, "num_train_epochs": 1}
  logs = runs.logs_of_many(
    [
      runs.arguments(inputs, f"{root}/trained", **sets, **_TRAINED),
      [
        f"--model_dir={root}/trained",
        f"--data_dir={inputs}/unlabelled",
        f"--output_dir={root}/again",
        "--do_predict",
      ],
    ]
  )
  return root, logs


def predictions(directory):
  _, rows = table_files.read_table(f"{directory}/predictions.tsv")
  return [row for _, row in rows]


class TestRows:
  def test_longer_rows_are_missing_where_labels_are_known(self, results, inputs):
    root, logs = results
    # [CLS], no context, [SEP], the words and [SEP]: 7 words are the most.
    kept = [n for n, count in enumerate(_COUNTS * 4) if count <= _LENGTH - 3]
    rows = predictions(f"{root}/trained")
    assert [row["id"] for row in rows] == [f"test-{number + 1}" for number in kept]
    with open(f"{root}/trained/test_results.tsv") as reader:
      assert len(reader.readlines()) == len(rows)
    for split in ("train", "dev", "test"):
      told = f"{split} set {inputs}/{split}.csv: 8 of 24 rows have more than 10 pieces"
      assert told in logs[0]

  def test_context_and_labels_are_those_of_the_options(self, results, inputs):
    with open(f"{inputs}/texts.json") as reader:
      texts = json.load(reader)
    rows = predictions(f"{results[0]}/trained")
    by_id = {row["id"]: row for row in rows}
    # Row 7 is the first of the second book.
    for number, before in ((2, [0, 1]), (8, [7]), (14, [5, 6]), (21, [12, 13])):
      row = by_id[f"test-{number + 1}"]
      assert row["text_a"] == " ".join(texts[f"test {n}"] for n in before)
      assert row["text_b"] == texts[f"test {number}"]
    assert {row["label"] for row in rows} == {"0", "1"}
    with open(f"{results[0]}/trained/test/metrics.json") as reader:
      assert {"recall", "precision", "f1"} <= set(json.load(reader))

  def test_a_trained_model_keeps_them(self, results):
    root, logs = results
    rows = predictions(f"{root}/again")
    # No label is known, so that all rows stay.
    assert [row["id"] for row in rows] == [f"test-{n}" for n in range(1, 7)]
    assert rows[0]["text_a"] == ""
    assert rows[2]["text_a"] == f"{rows[0]['text_b']} {rows[1]['text_b']}"
    assert "6 rows have more than 10 pieces; all stay" in logs[1]
    with open(f"{root}/trained/task.json") as reader:
      task = json.load(reader)
    assert task["labels"] == ["0", "1"]
    kept = _TRAINED | {"positive_labels": ["b", "c"]}
    assert {name: task["flags"][name] for name in kept} == kept
