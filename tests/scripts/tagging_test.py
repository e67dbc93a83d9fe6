"""Tagging through the script: words in files, texts with spans, a frozen encoder."""

import json
import os
import random
import shutil

import pytest

from bert_ja import entity_scores, learning_curve
from tests.scripts import runs


def draw_sentence(draw, least=2):
  """Words and tags: of w0 to w39, those below 10 are entities, runs of them one."""
  numbers = draw.choices(range(40), k=draw.randint(least, 11))
  tags, inside = [], False
  for number in numbers:
    tags.append("O" if number >= 10 else "I-x" if inside else "B-x")
    inside = number < 10
  return [f"w{number}" for number in numbers], tags


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  """`words` in CoNLL and `texts` with spans: the same sentences."""
  directory = str(tmp_path_factory.mktemp("inputs"))
  runs.write_inputs(directory, layers=2)
  draw = random.Random(6)
  for form in ("words", "texts"):
    os.makedirs(f"{directory}/{form}")
  for name, count in (("train", 64), ("dev", 16), ("test", 9)):
    rows = [draw_sentence(draw) for _ in range(count)]
    with open(f"{directory}/words/{name}.conll", "w") as writer:
      for words, tags in rows:
        lines = (f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))
        writer.write("".join(lines) + "\n")
    with open(f"{directory}/texts/{name}.jsonl", "w") as writer:
      for words, tags in rows:
        spans = [
          {
            "start": len(" ".join([*words[:start], ""])),
            "end": len(" ".join(words[:end])),
            "type": name,
          }
          for start, end, name in entity_scores.entities(tags)
        ]
        row = {"text": " ".join(words), "spans": spans}
        writer.write(json.dumps(row) + "\n")
  return directory


@pytest.fixture(scope="module")
def outputs(inputs, tmp_path_factory):
  """{name of a run: its output directory}, all in one process."""
  base = str(tmp_path_factory.mktemp("out"))
  names = ("words", "texts", "head")
  directories = {name: f"{base}/{name}" for name in names}
  common = {
    "task_name": "tagging",
    "do_eval": True,
    "do_predict": True,
    "learning_rate": 1e-2,
    "num_train_epochs": 10,
    "bucket_by_length": True,
  }
  changes = {
    "words": {"eval_steps": 40, "label_smoothing": 0.05, "class_weights": "balanced"},
    "texts": {},
    "head": {"trainable": "head", "num_train_epochs": 6},
  }
  jobs = []
  for name, directory in directories.items():
    data = f"{inputs}/{'texts' if name == 'texts' else 'words'}"
    values = {**common, "data_dir": data, **changes[name]}
    jobs.append(runs.arguments(inputs, directory, **values))
  # A trained model needs no more than test data, and keeps its tags.
  bare = f"{base}/bare"
  os.makedirs(bare)
  shutil.copy(f"{inputs}/words/test.conll", bare)
  directories["again"] = f"{base}/again"
  jobs.append(
    [
      f"--model_dir={directories['words']}",
      f"--data_dir={bare}",
      "--do_predict=true",
      f"--output_dir={directories['again']}",
    ]
  )
  runs.logs_of_many(jobs)
  return directories


def read_json(*path):
  with open(os.path.join(*path)) as reader:
    return json.load(reader)


def predictions(directory):
  with open(f"{directory}/predictions.jsonl") as reader:
    return [json.loads(line) for line in reader]


def columns(directory):
  """(true, predicted) tags of the sentences of predictions.tsv."""
  with open(f"{directory}/predictions.tsv") as reader:
    blocks = reader.read().removesuffix("\n\n").split("\n\n")
  tables = [[line.split("\t") for line in block.split("\n")] for block in blocks]
  return [[[row[k] for row in table] for table in tables] for k in (1, 2)]


@pytest.mark.slow
class TestTagging:
  @pytest.mark.parametrize("name", ["words", "texts"])
  def test_what_can_be_learned_is_learned(self, outputs, name):
    assert read_json(outputs[name], "metrics.json")["eval_f1"] > 0.8

  def test_scores_are_seqevals(self, outputs):
    metrics = pytest.importorskip("seqeval.metrics")
    scores = read_json(outputs["words"], "test", "metrics.json")
    true, predicted = columns(outputs["words"])
    assert len(true) == 9
    for name in ("f1", "precision", "recall"):
      expected = getattr(metrics, f"{name}_score")(true, predicted)
      assert scores[name] == pytest.approx(expected)

  def test_spans_of_texts_are_in_characters(self, outputs):
    rows = predictions(outputs["texts"])
    spans = [(row["text"], span) for row in rows for span in row["spans"]]
    assert spans
    for text, span in spans:
      assert text[span["start"] : span["end"]] == span["text"]
      assert set(span["text"].split()) <= {f"w{n}" for n in range(40)}

  def test_best_is_kept_by_f1(self, outputs):
    curve = learning_curve.read(outputs["words"])
    f1_at = {row["step"]: row["eval_f1"] for row in curve if row["split"] == "eval"}
    assert len(f1_at) == 2
    best = runs.newest_step(f"{outputs['words']}/best")
    assert f1_at[best] == max(f1_at.values())

  def test_a_frozen_encoder_trains_a_head(self, outputs):
    assert read_json(outputs["head"], "metrics.json")["eval_f1"] > 0.3
    assert os.path.exists(f"{outputs['head']}/train.vectors.npy")
    assert len(predictions(outputs["head"])) == 9

  def test_a_trained_model_predicts_the_same(self, outputs):
    first, again = (columns(outputs[name])[1] for name in ("words", "again"))
    assert first == again


class TestErrors:
  def test_an_unknown_tag_of_the_dev_set_is_told_before_training(
    self, inputs, tmp_path
  ):
    for name, line in (("train", "w1 B-x"), ("dev", "w1 B-y")):
      (tmp_path / f"{name}.txt").write_text(line + "\n")
    output_dir = str(tmp_path / "out")
    options = {"task_name": "tagging", "data_dir": str(tmp_path), "do_eval": True}
    status, log = runs.run(runs.arguments(inputs, output_dir, **options))
    assert status == 1
    assert (
      log.strip()
      .splitlines()[-1]
      .endswith(
        "dev.txt, line 1, column 'tags': label 'B-y' is not one of 'O', 'B-x', 'I-x'"
      )
    )
    assert not os.path.exists(output_dir)
