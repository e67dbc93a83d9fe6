"""The tagging task's sets, and losses, scores and files of its kind, by hand."""

import dataclasses
import json

import numpy as np
import pytest

from bert_ja import label_reports, losses
from bert_ja.data.word_features import WordExample
from bert_ja.entity_scores import Entity
from bert_ja.tasks import kinds, registry, tagging

LABELS = ["O", "B-x", "I-x"]
KIND = tagging.Token(LABELS)


def write(path, *lines):
  path.parent.mkdir(exist_ok=True)
  path.write_text("\n".join(lines) + "\n", "utf-8")


def processor(directory, **options):
  return registry.get_processor("tagging", data_dir=str(directory), **options)


class TestTaggingProcessor:
  def test_sets_are_found_by_name_in_any_form(self, tmp_path):
    write(tmp_path / "train.json", '[{"tokens": ["a"], "tags": ["B-x"]}]')
    write(tmp_path / "valid" / "seq.in", "b c")
    write(tmp_path / "valid" / "seq.out", "O B-x")
    write(tmp_path / "test.conll", "d")
    task = processor(tmp_path)
    (train,) = task.get_train_examples(str(tmp_path))
    (dev,) = task.get_dev_examples(str(tmp_path))
    (test,) = task.get_test_examples(str(tmp_path))
    assert [train.words, dev.words, test.words] == [["a"], ["b", "c"], ["d"]]
    assert [train.guid, dev.guid, test.guid] == ["train-1", "dev-1", "test-1"]
    assert test.label is None

  def test_a_flag_names_a_file(self, tmp_path):
    write(tmp_path / "train.txt", "a O")
    write(tmp_path / "other.txt", "b O")
    (row,) = processor(tmp_path, train_file="other.txt").get_train_examples(
      str(tmp_path)
    )
    assert row.words == ["b"]

  def test_labels_are_both_tags_of_each_type(self, tmp_path):
    write(tmp_path / "train.txt", "a I-y", "b B-x")
    assert processor(tmp_path).get_labels() == ["O", "B-x", "I-x", "B-y", "I-y"]

  def test_labels_of_spans_too(self, tmp_path):
    span = {"start": 0, "end": 1, "type": "人名"}
    rows = ({"text": "ab", "spans": [span]}, {"text": "c", "spans": []})
    write(tmp_path / "train.jsonl", *map(json.dumps, rows))
    assert processor(tmp_path).get_labels() == ["O", "B-人名", "I-人名"]

  def test_a_list_of_labels_stays_in_its_order(self, tmp_path):
    write(tmp_path / "labels.txt", "B-x", "O")
    write(tmp_path / "train.txt", "a B-x")
    task = processor(tmp_path, labels_file=str(tmp_path / "labels.txt"))
    task.get_train_examples(str(tmp_path))
    assert task.get_labels() == ["B-x", "O"]

  @pytest.mark.parametrize(
    ("name", "line", "tag"),
    [
      ("dev.txt", "a B-y", "B-y"),
      (
        "dev.jsonl",
        '{"text": "a", "spans": [{"start": 0, "end": 1, "type": "y"}]}',
        "B-y",
      ),
    ],
  )
  def test_an_unknown_tag_is_an_error(self, tmp_path, name, line, tag):
    write(tmp_path / "train.txt", "a B-x")
    write(tmp_path / name, line)
    task = processor(tmp_path)
    message = f"{name}, line 1, .*'{tag}' is not one of 'O', 'B-x', 'I-x'"
    with pytest.raises(ValueError, match=message):
      task.get_dev_examples(str(tmp_path))

  def test_an_unknown_tag_of_a_test_set_can_be_named(self, tmp_path):
    write(tmp_path / "train.txt", "a B-x")
    write(tmp_path / "test.txt", "a B-y")
    with pytest.raises(ValueError, match="'B-y' .*; name all tags with --labels_file"):
      processor(tmp_path).get_test_examples(str(tmp_path))

  @pytest.mark.parametrize("name", ["texts_file", "document_column"])
  def test_options_of_a_tables_rows_are_not_ignored(self, tmp_path, name):
    with pytest.raises(ValueError, match=f"--{name} is for .*, this one's is token; "):
      processor(tmp_path, **{name: "x"})

  def test_columns_of_text_are_not_ignored(self, tmp_path):
    with pytest.raises(ValueError, match="--text_columns=title: tagging reads"):
      processor(tmp_path, text_columns=["title"])


def rows_of(*tags):
  """Examples of words w0, w1, ... with these tags."""
  return [
    WordExample(str(number), [f"w{n}" for n in range(len(row))], row)
    for number, row in enumerate(tags)
  ]


# Three sentences of 3, 2 and 5 words; of the last, two are beyond the row's four.
EXAMPLES = rows_of(["B-x", "I-x", "O"], ["O", "B-x"], ["O", "O", "O", "B-x", "B-x"])
OUTPUTS = {
  "tag_ids": np.array([[1, 2, 0, -1], [1, 1, -1, -1], [0, 0, -1, 1]], np.int32),
  "probabilities": np.arange(1, 13, dtype=np.float32).reshape(3, 4) / 16,
  "per_example_loss": np.array([1.0, 2.0, 6.0], np.float32),
}


class TestLoss:
  LOGITS = np.random.default_rng(2).normal(size=[3, 6, 3]).astype(np.float32)
  FEATURES = {
    "first_pieces": np.array([[1, 3, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]], np.int32),
    "label_ids": np.array([[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], np.int32),
  }

  def cross_entropies(self, *places):
    """Of (row, position, class): numpy's."""
    logits = self.LOGITS.astype(np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return [-log_probs[place] for place in places]

  def test_is_the_mean_over_a_rows_first_pieces(self):
    first, second = self.cross_entropies((0, 1, 2), (0, 3, 0))
    (third,) = self.cross_entropies((1, 2, 1))
    np.testing.assert_allclose(
      KIND.loss(self.LOGITS, self.FEATURES), [(first + second) / 2, third, 0], 1e-5
    )

  def test_options_count_word_by_word(self):
    options = losses.LossOptions(class_weights=(3.0, 1.0, 0.5), focal_gamma=2.0)
    first, second = self.cross_entropies((0, 1, 2), (0, 3, 0))
    first *= 0.5 * (1 - np.exp(-first)) ** 2
    second *= 3.0 * (1 - np.exp(-second)) ** 2
    loss = KIND.loss(self.LOGITS, self.FEATURES, options)
    assert loss[0].numpy() == pytest.approx((first + second) / 2, rel=1e-5)

  def test_predictions_are_those_of_first_pieces(self):
    best = self.LOGITS.argmax(axis=-1)
    predicted = KIND.predictions(self.LOGITS, self.FEATURES)["tag_ids"].numpy()
    assert predicted.tolist() == [
      [best[0, 1], best[0, 3], -1, -1],
      [-1, best[1, 2], -1, -1],
      [-1] * 4,
    ]

  def test_probabilities_are_those_of_the_predicted_tags(self):
    found = KIND.predictions(self.LOGITS, self.FEATURES)["probabilities"].numpy()
    odds = np.exp(self.LOGITS.astype(np.float64))
    expected = (odds / odds.sum(axis=-1, keepdims=True)).max(axis=-1)
    np.testing.assert_allclose(found[0, :2], expected[0, [1, 3]], rtol=1e-5)
    np.testing.assert_allclose(found[1, 1], expected[1, 2], rtol=1e-5)

  def test_a_diverged_model_is_told_and_nothing_is_written(self, tmp_path):
    found = KIND.predictions(np.full_like(self.LOGITS, np.nan), self.FEATURES)
    outputs = {name: value.numpy() for name, value in found.items()}
    with pytest.raises(
      ValueError, match="probabilities of 3 of 3 examples .* diverged"
    ):
      KIND.write_predictions(str(tmp_path), EXAMPLES, outputs, True)
    assert not list(tmp_path.iterdir())


class TestScores:
  def test_words_without_a_piece_are_predicted_as_o(self):
    results = KIND.metrics(OUTPUTS, 2, EXAMPLES)
    # Predicted: B I O; B B; O O O B O. Of 4 entities 3 are found, one of 4 is none.
    assert results["eval_precision"] == 3 / 4
    assert results["eval_recall"] == 3 / 4
    assert results["eval_f1"] == 3 / 4
    assert results["eval_token_accuracy"] == 8 / 10
    assert results["eval_joint_accuracy"] == 1 / 3
    assert results["eval_loss"] == 3.0

  def test_strict_f1_wants_a_b(self):
    outputs = {**OUTPUTS, "tag_ids": np.array([[2, 2, 0, -1]])}
    results = KIND.metrics(outputs, 2, rows_of(["I-x", "I-x", "O"]))
    assert (results["eval_f1"], results["eval_strict_f1"]) == (1, 0)

  def test_an_entity_that_is_no_words_is_missed(self, tmp_path):
    # The tags are right; of two entities the second is the first half of its word.
    (row,) = rows_of(["B-x", "B-x"])
    row = dataclasses.replace(
      row,
      text="ab cd",
      offsets=[(0, 2), (3, 5)],
      entities=[Entity(0, 2, "x"), Entity(3, 4, "x")],
    )
    outputs = {"tag_ids": np.array([[1, 1]]), "per_example_loss": np.zeros(1)}
    results = KIND.metrics(outputs, 2, [row])
    names = ("f1", "precision", "recall", "strict_f1")
    assert [results[f"eval_{name}"] for name in names] == [1 / 2] * 4
    assert results["eval_token_accuracy"] == results["eval_joint_accuracy"] == 1
    path, *_ = KIND.write_reports(str(tmp_path), outputs, [row])
    with open(path) as reader:
      assert "x 0.5000 0.5000 0.5000 2" in " ".join(reader.read().split())

  def test_best_metric_is_among_them(self):
    assert KIND.best_metric in KIND.metrics(OUTPUTS, 2, EXAMPLES)

  def test_class_counts_are_of_words(self):
    assert KIND.class_counts([*EXAMPLES, *rows_of([])]) == [5, 4, 1]

  def test_rows_are_held_out_whatever_their_tags(self):
    assert len(set(KIND.strata(EXAMPLES))) == 1

  def test_a_text_becomes_words(self):
    class Tokenizer:
      def tokenize_with_offsets(self, text):
        return ["a", "##b", "c"], [(0, 1), (1, 2), (3, 4)]

      def encode(self, text):
        return [5, 6, 7]

    text = WordExample("1", text="ab c", label=[Entity(0, 2, "x")])
    (row,) = KIND.prepare([text], Tokenizer())
    assert (row.words, row.label) == (["ab", "c"], ["B-x", "O"])


class TestFiles:
  def test_a_report_of_each_type(self, tmp_path):
    kind = tagging.Token([*LABELS, "B-y"])
    outputs = {"tag_ids": np.array([[1, 2, 0, 3], [2, 0, 0, 0]])}
    examples = rows_of(["B-x", "I-x", "O", "O"], ["B-x", "O"])
    paths = kind.write_evaluation(str(tmp_path), {"eval_f1": 0.5}, outputs, examples)
    assert sorted(paths) == sorted(str(path) for path in tmp_path.iterdir())
    lines = (tmp_path / "entity_report.txt").read_text().splitlines()
    rows = [line.split() for line in lines]
    assert ["x", "1.0000", "1.0000", "1.0000", "2"] in rows
    assert ["x", "1.0000", "0.5000", "0.6667", "2"] in rows
    assert ["y", "0.0000", "0.0000", "0.0000", "0"] in rows
    assert ["(all)", "0.6667", "1.0000", "0.8000", "2"] in rows
    assert (tmp_path / "eval_results.txt").read_text() == "eval_f1 = 0.5\n"

  def test_a_matrix_of_types(self, tmp_path):
    kind = tagging.Token(["B-y", *LABELS])
    outputs = {"tag_ids": np.array([[0, 3, 1, 2], [-1, 1, 0, -1]])}
    examples = rows_of(["B-x", "I-x", "O", "O"], ["B-y", "O", "B-y"])
    kind.write_reports(str(tmp_path), outputs, examples)
    found = label_reports.read_confusion_matrix(str(tmp_path / "confusion_matrix.txt"))
    assert found == (["O", "x", "y"], [[2, 1, 0], [0, 1, 1], [1, 0, 1]])

  def test_words_that_were_not_seen_have_no_probability(self, tmp_path):
    KIND.write_rows(str(tmp_path), EXAMPLES, OUTPUTS, True)
    lines = (tmp_path / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["probabilities"] for line in lines] == [
      [0.0625, 0.125, 0.1875],
      [0.3125, 0.375],
      [0.5625, 0.625, None, 0.75, None],
    ]

  def test_predictions_of_tagged_sentences_are_scored(self, tmp_path):
    paths = KIND.write_predictions(str(tmp_path), EXAMPLES, OUTPUTS, True)
    names = ["predictions.jsonl", "predictions.tsv", "test/metrics.json"]
    names.append("test/entity_report.txt")
    names += ["test/confusion_matrix.txt", "test/confusion_matrix.png"]
    assert paths == [str(tmp_path / name) for name in names]
    scores = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert scores["f1"] == 3 / 4
    lines = (tmp_path / "predictions.tsv").read_text().split("\n")
    assert lines[:5] == ["w0\tB-x\tB-x", "w1\tI-x\tI-x", "w2\tO\tO", "", "w0\tO\tB-x"]

  def test_those_of_others_are_not(self, tmp_path):
    rows = [*EXAMPLES[:2], WordExample("2", ["w0"])]
    paths = KIND.write_predictions(str(tmp_path), rows, OUTPUTS, True)
    assert len(paths) == 2
    assert (tmp_path / "predictions.tsv").read_text().startswith("w0\tB-x\nw1\tI-x\n")


def test_the_kind_is_known():
  assert kinds.get("token") is tagging.Token
