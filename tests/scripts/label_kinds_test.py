"""Numbers, sets of labels and options of the loss, end to end."""

import json
import os
import random

import numpy as np
import pytest

from bert_ja import table_files
from tests.scripts import runs

_WORDS = [f"w{index}" for index in range(40)]
_LOSS = {"class_weights": "balanced", "label_smoothing": 0.05, "focal_gamma": 0.5}


def _corpora(count, seed):
  """{name: rows} of four corpora on the same texts of the words w0 to w9."""
  draw = random.Random(seed)
  rows = {"numbers": [], "pairs": [], "sets": [], "rare": []}
  for index in range(count):
    words = draw.choices(range(10), k=8)
    first, second = (
      " ".join(_WORDS[word] for word in part) for part in (words[:4], words[4:])
    )
    low = sum(word < 5 for word in words)
    topics = {"low": low >= 4, "nine": words.count(9) > 1}
    texts = {"text": f"{first} {second}"}
    rows["numbers"].append(texts | {"score": 500.5 + 20 * low})
    rows["pairs"].append(
      {"sentence1": first, "sentence2": second, "score": 500 + 20 * low}
    )
    rows["sets"].append(texts | {"label": [name for name in topics if topics[name]]})
    rows["rare"].append(texts | {"label": "common" if index % 4 else "rare"})
  return rows


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("inputs"))
  runs.write_inputs(directory, layers=2)
  for seed, (split, count) in enumerate((("train", 96), ("dev", 24), ("test", 16))):
    for name, rows in _corpora(count, seed).items():
      os.makedirs(f"{directory}/{name}", exist_ok=True)
      with open(f"{directory}/{name}/{split}.jsonl", "w") as writer:
        writer.writelines(json.dumps(row) + "\n" for row in rows)
  return directory


def job(inputs, corpus, output_dir, **values):
  """Arguments of training, evaluation and prediction."""
  given = {"data_dir": f"{inputs}/{corpus}", "do_eval": True, "do_predict": True}
  return runs.arguments(inputs, output_dir, **(given | values))


@pytest.fixture(scope="module")
def results(inputs, tmp_path_factory):
  """{name: output directory} of runs in one process."""
  root = str(tmp_path_factory.mktemp("results"))

  def again(name, **values):
    given = {"model_dir": f"{root}/{name}", "data_dir": f"{inputs}/{name}"}
    given |= {"output_dir": f"{root}/{name}_again", "do_predict": True, **values}
    return [f"--{key}={value}" for key, value in given.items()]

  numbers = {"task_name": "regression", "label_column": "score"}
  towers = numbers | {"pair_model": "two_tower", "trainable": "head"}
  sets = {"task_name": "multi_label", "threshold": 0.4, "label_separator": "|"}
  held_out = {"validation_fraction": 0.25, "eval_epochs": 2, "use_best": True}
  runs.logs_of_many(
    [
      job(inputs, "numbers", f"{root}/numbers", **numbers, **held_out),
      again("numbers"),
      job(inputs, "pairs", f"{root}/pairs", **numbers),
      job(inputs, "pairs", f"{root}/towers", **towers),
      job(inputs, "sets", f"{root}/sets", **sets, **held_out, **_LOSS),
      again("sets", threshold=0.0),
    ]
  )
  return {name: f"{root}/{name}" for name in os.listdir(root)}


@pytest.fixture(scope="module")
def weighted(inputs, tmp_path_factory):
  """{name: output directory} of runs with other weights of two classes."""
  root = str(tmp_path_factory.mktemp("weighted"))
  options = {
    "plain": {},
    "balanced": {"class_weights": "balanced"},
    "one_class": {"class_weights": "0,1", "label_smoothing": 0.1, "focal_gamma": 1},
  }
  common = {"num_train_epochs": 2, "test_file": "dev.jsonl"}
  runs.logs_of_many(
    [
      job(inputs, "rare", f"{root}/{name}", **common, **values)
      for name, values in options.items()
    ]
  )
  return {name: f"{root}/{name}" for name in options}


def read_json(path):
  with open(path) as reader:
    return json.load(reader)


def column(directory, name):
  _, rows = table_files.read_table(f"{directory}/predictions.tsv")
  return [row[name] for _, row in rows]


class TestNumbers:
  def test_a_single_text_is_learned_in_its_own_unit(self, results):
    scores = read_json(f"{results['numbers']}/test/metrics.json")
    # Labels lie around 580; without their scale 48 steps of 0.003 would stay near 0.
    assert scores["mean_absolute_error"] < 60
    assert set(scores) == {
      "pearson",
      "spearman",
      "mean_squared_error",
      "mean_absolute_error",
    }

  def test_scores_are_those_of_the_table_of_predictions(self, results):
    directory = results["numbers"]
    labels, predicted = (
      np.array(column(directory, name), float) for name in ("label", "predicted")
    )
    scores = read_json(f"{directory}/test/metrics.json")
    assert labels.min() > 500 and len(labels) == 16
    expected = np.mean((labels - predicted) ** 2)
    assert scores["mean_squared_error"] == pytest.approx(expected, rel=1e-4)

  def test_the_best_checkpoint_is_chosen_by_correlation(self, results):
    directory = results["numbers"]
    _, rows = table_files.read_table(f"{directory}/learning_curve.csv")
    curve = [float(row["eval_pearson"]) for _, row in rows if row["eval_pearson"]]
    scores = read_json(f"{directory}/metrics.json")
    assert len(curve) == 2
    assert scores["eval_pearson"] == pytest.approx(max(curve), abs=1e-6)

  def test_the_trained_model_keeps_its_scale(self, results):
    assert set(read_json(f"{results['numbers']}/task.json")["learned"]) == {
      "mean",
      "deviation",
    }
    again = np.array(column(results["numbers_again"], "predicted"), float)
    # One was predicted by best/, the other by the last checkpoint: only the unit counts.
    assert np.all(np.abs(again - 580) < 100)

  @pytest.mark.parametrize("name", ["pairs", "towers"])
  def test_two_texts_have_a_number(self, results, name):
    with open(f"{results[name]}/eval_results.txt") as reader:
      lines = reader.readlines()
    assert [line.split(" = ")[0] for line in lines] == [
      "eval_loss",
      "eval_mean_absolute_error",
      "eval_mean_squared_error",
      "eval_pearson",
      "eval_spearman",
      "global_step",
      "loss",
    ]
    assert len(column(results[name], "text_b")) == 16


@pytest.fixture(scope="module")
def scaled(inputs, tmp_path_factory):
  """{name: output directory}: a short training, and runs on what it left."""
  root = str(tmp_path_factory.mktemp("scale"))
  numbers = {"task_name": "regression", "label_column": "score"}
  numbers |= {"num_train_epochs": 1, "do_eval": None}
  first = runs.arguments(inputs, f"{root}/first", **numbers)
  first.append(f"--data_dir={inputs}/numbers")
  others = f"--data_dir={inputs}/pairs"
  prediction = ["--nodo_train", "--do_predict", f"--data_dir={inputs}/numbers"]
  weights = f"--init_checkpoint={root}/first/model.ckpt-12"
  runs.logs_of_many(
    [
      first,
      [*first, *prediction],
      [*first, *prediction, f"--output_dir={root}/weights", weights],
      [*first, "--num_train_epochs=5", "--train_file=dev.jsonl", others],
    ]
  )
  return {name: f"{root}/{name}" for name in os.listdir(root)}


class TestScaleOfANumber:
  def test_weights_alone_take_it_from_the_training_set(self, scaled):
    np.testing.assert_array_equal(
      column(scaled["weights"], "predicted"),
      column(scaled["first"], "predicted"),
    )

  def test_training_that_goes_on_with_other_rows_keeps_it(self, inputs, scaled):
    with open(f"{inputs}/numbers/train.jsonl") as reader:
      scores = [json.loads(line)["score"] for line in reader]
    assert read_json(f"{scaled['first']}/task.json")["learned"] == {
      "mean": pytest.approx(np.mean(scores)),
      "deviation": pytest.approx(np.std(scores)),
    }

  def test_the_kind_is_recorded(self, scaled):
    """Whoever scores pairs later has to know what the outputs are."""
    assert read_json(f"{scaled['first']}/task.json")["kind"] == "regression"


def test_labels_are_those_of_the_model_in_the_output_directory(inputs, tmp_path):
  """They belong to the weights, which are taken from there and not from --model_dir."""
  small = {"num_train_epochs": 1, "data_dir": f"{inputs}/rare"}
  order = tmp_path / "labels.txt"
  order.write_text("rare\ncommon\n")
  one, two = f"{tmp_path}/one", f"{tmp_path}/two"
  runs.logs_of_many(
    [
      runs.arguments(inputs, one, **small),
      runs.arguments(inputs, two, labels_file=str(order), **small),
      [
        f"--model_dir={one}",
        f"--output_dir={two}",
        f"--data_dir={inputs}/rare",
        "--do_predict",
      ],
    ]
  )
  _, rows = table_files.read_table(f"{two}/predictions.tsv")
  assert [name for name in rows[0][1] if name.startswith("probability_")] == [
    "probability_rare",
    "probability_common",
  ]


class TestSetsOfLabels:
  def test_threshold_and_separator_are_recorded(self, results):
    task = read_json(f"{results['sets']}/task.json")
    assert task["labels"] == ["low", "nine"]
    assert (task["flags"]["threshold"], task["flags"]["label_separator"]) == (0.4, "|")
    for there, low, nine in zip(
      column(results["sets"], "predicted"),
      column(results["sets"], "probability_low"),
      column(results["sets"], "probability_nine"),
      strict=True,
    ):
      names = {"low": float(low), "nine": float(nine)}
      assert there == "|".join(name for name in names if names[name] >= 0.4)

  def test_another_threshold_can_be_given(self, results):
    assert set(column(results["sets_again"], "predicted")) == {"low|nine"}

  def test_files(self, results):
    assert {"predictions.tsv", "classification_report.txt", "eval_results.txt"} <= set(
      os.listdir(results["sets"])
    )
    scores = read_json(f"{results['sets']}/metrics.json")
    assert {"eval_f1_micro", "eval_f1_macro", "eval_subset_accuracy"} <= set(scores)


@pytest.mark.slow
class TestOptionsOfTheLoss:
  def mean_of_rare(self, directory):
    return np.mean(np.array(column(directory, "probability_rare"), float))

  def test_balanced_weights_raise_the_rare_class(self, weighted):
    # Texts say nothing of the label: a model can only learn how often it occurs.
    assert self.mean_of_rare(weighted["plain"]) < 0.4
    assert 0.4 < self.mean_of_rare(weighted["balanced"]) < 0.6

  def test_a_class_without_weight_is_never_learned(self, weighted):
    assert set(column(weighted["one_class"], "predicted")) == {"rare"}

  def test_evaluations_report_the_plain_loss(self, weighted):
    _, rows = table_files.read_table(f"{weighted['one_class']}/predictions.tsv")
    right = [float(row[f"probability_{row['label']}"]) for _, row in rows]
    loss = read_json(f"{weighted['one_class']}/metrics.json")["eval_loss"]
    assert loss == pytest.approx(-np.mean(np.log(right)), rel=1e-4)
