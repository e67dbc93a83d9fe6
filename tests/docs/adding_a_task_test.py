"""The tasks of docs/adding_a_task.md, letter by letter, train a tiny model."""

import ast
import csv
import json
import pathlib
import random
import re

import pytest

from tests.scripts import runs

_DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "adding_a_task.md"


def code_blocks():
  """{task name: code} of the document's Python blocks."""
  text = _DOCUMENT.read_text(encoding="utf-8")
  blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
  return {re.search(r'@registry\.register\("(\w+)"\)', b)[1]: b for b in blocks}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
  """{task name: output directory} after training, evaluation and prediction."""
  root = tmp_path_factory.mktemp("tasks")
  runs.write_inputs(str(root / "inputs"))
  draw = random.Random(8)
  for split, count in (("train", 32), ("dev", 12), ("test", 7)):
    words = [draw.choices(range(40), k=draw.randint(2, 9)) for _ in range(count)]
    texts = [" ".join(f"w{word}" for word in row) for row in words]
    loud = ["loud" if row[0] % 2 else "calm" for row in words]
    counts = [sum(word < 20 for word in row) for row in words]
    with open(root / "inputs" / f"{split}.tsv", "w") as writer:
      csv.writer(writer, delimiter="\t").writerows(zip(texts, loud, strict=True))
    with open(root / "inputs" / f"{split}.csv", "w") as writer:
      table = csv.writer(writer)
      table.writerows([("text", "count"), *zip(texts, counts, strict=True)])
  jobs = []
  for name, code in code_blocks().items():
    module = root / f"{name}.py"
    module.write_text(code, encoding="utf-8")
    # The data directory has files of both tasks.
    files = {f"{split}_file": f"{split}.csv" for split in ("train", "dev", "test")}
    values = {"task_name": name, "task_module": str(module), "num_train_epochs": 2}
    values |= {"do_eval": True, "do_predict": True} | files
    inputs, output_dir = str(root / "inputs"), str(root / name)
    jobs.append(runs.arguments(inputs, output_dir, **values))
  runs.logs_of_many(jobs)
  return {name: root / name for name in code_blocks()}


def lines(path):
  return path.read_text(encoding="utf-8").splitlines()


def test_each_block_is_a_whole_file():
  assert set(code_blocks()) == {"exclaim", "how_many"}
  for code in code_blocks().values():
    ast.parse(code)


def test_the_reader_is_trained_and_scored(results):
  assert len(lines(results["exclaim"] / "predictions.tsv")) == 8
  scores = json.loads((results["exclaim"] / "test" / "metrics.json").read_text())
  assert 0 <= scores["accuracy"] <= 1
  task = json.loads((results["exclaim"] / "task.json").read_text())
  assert task["labels"] == ["calm", "loud"]


def test_the_kind_is_trained_and_scored(results):
  header, *rows = lines(results["how_many"] / "predictions.tsv")
  assert header == "id\ttext\texpected"
  assert len(rows) == 7 and all(float(row.split("\t")[2]) > 0 for row in rows)
  scores = json.loads((results["how_many"] / "metrics.json").read_text())
  assert {"eval_mean_absolute_error", "eval_exactly_right", "eval_loss"} <= set(scores)
