"""Baselines: what they learn, against scikit-learn called directly; wrong input; files."""

import csv
import json

import numpy as np
import pytest
from sklearn import (
  ensemble,
  feature_extraction,
  linear_model,
  metrics,
  neural_network,
)

from bert_ja import figures
from bert_ja.baselines import (
  baseline_data,
  baseline_features,
  baseline_runs,
)
from bert_ja.tasks import base, sentence

LABELS = ["dull", "fine", "good"]


def sentences(rows, seed=3, noise=6):
  """(texts, labels): a word of each label's two, among others that say nothing."""
  draw = np.random.default_rng(seed)
  texts, labels = [], []
  for number in range(rows):
    label = LABELS[min(number % 4, 2)]  # half of them are good
    words = [
      f"{label}{draw.integers(2)}",
      *(f"w{draw.integers(9)}" for _ in range(noise)),
    ]
    texts.append(" ".join(draw.permutation(words)))
    labels.append(label)
  return texts, labels


def examples(texts, labels, split="train"):
  """`InputExample`s of texts, or of pairs of texts."""
  pairs = [text if isinstance(text, tuple) else (text, None) for text in texts]
  return [
    base.InputExample(f"{split}-{number}", *pair, label)
    for number, (pair, label) in enumerate(zip(pairs, labels, strict=True))
  ]


def data_of(**sets):
  """`Data` of sets that are (texts, labels)."""
  return baseline_data.Data(
    "sentence",
    sentence.Sentence(LABELS),
    {split: examples(*rows, split) for split, rows in sets.items()},
  )


@pytest.fixture(scope="module")
def data():
  return data_of(train=sentences(48), dev=sentences(20, 4), test=sentences(24, 5))


WORDS = baseline_runs.Inputs(words=str.split)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
  """Drawing takes longer than all else."""
  monkeypatch.setattr(figures, "confusion_matrix", lambda matrix, names: b"")


def run(names, data, directory, inputs=WORDS, **options):
  options = baseline_runs.Options(**options)
  results = baseline_runs.run(names, data, inputs, options, str(directory))
  return {result.name: result for result in results}


def probabilities_of(path):
  return np.loadtxt(path / "test_results.tsv", delimiter="\t")


class TestMajority:
  def test_is_the_larger_class_everywhere(self, data, tmp_path):
    scores = run(["majority"], data, tmp_path)["majority"].scores
    for split in ("dev", "test"):
      labels = [row.label for row in data.examples[split]]
      assert scores[split]["accuracy"] == labels.count("good") / len(labels)
      # Of the three classes one has an F1: precision is the accuracy, recall is 1.
      share = scores[split]["accuracy"]
      assert scores[split]["f1_macro"] == pytest.approx(2 * share / (1 + share) / 3)
    np.testing.assert_allclose(
      probabilities_of(tmp_path / "majority"), [[0.25, 0.25, 0.5]] * 24
    )

  def test_is_told_by_the_train_set(self, tmp_path):
    data = data_of(train=(["a"] * 3, ["dull", "dull", "good"]), dev=(["a"], ["good"]))
    assert run(["majority"], data, tmp_path)["majority"].scores["dev"]["accuracy"] == 0

  def test_learns_from_one_label(self, tmp_path):
    data = data_of(train=(["a"], ["fine"]), dev=(["a", "b"], ["fine", "good"]))
    found = run(["majority"], data, tmp_path)["majority"].scores
    assert found["dev"]["accuracy"] == 0.5
    results = json.loads((tmp_path / "majority" / "metrics.json").read_text())
    # What never occurred has a loss that is large and finite.
    assert results["eval_loss"] == pytest.approx(-np.log(np.finfo("f").eps) / 2)


class TestTfidf:
  @pytest.mark.parametrize("name", ["tfidf_logistic", "tfidf_boosting"])
  def test_solves_what_words_tell(self, data, tmp_path, name):
    names = ["majority", name]
    scores = run(names, data, tmp_path, num_estimators=20)
    assert scores[name].scores["test"]["accuracy"] == 1
    assert scores["majority"].scores["test"]["accuracy"] == 0.5

  @pytest.mark.parametrize("max_features", [None, 7])
  def test_logistic_is_that_of_scikit_learn(self, data, tmp_path, max_features):
    options = {"max_features": max_features, "inverse_penalties": (3.0,)}
    run(["tfidf_logistic"], data, tmp_path, **options)
    expected = linear_model.LogisticRegression(C=3)
    self.check(data, tmp_path / "tfidf_logistic", max_features, expected)

  def test_the_penalty_is_chosen_and_all_rows_are_learned_from(self, data, tmp_path):
    options = {"inverse_penalties": (1e-3, 20.0)}
    found = run(["tfidf_logistic"], data, tmp_path, **options)["tfidf_logistic"]
    assert found.inverse_penalty == 20
    expected = linear_model.LogisticRegression(C=20, max_iter=1000)
    self.check(data, tmp_path / "tfidf_logistic", None, expected)

  def test_two_neighbours_tell_what_one_word_does_not(self, tmp_path):
    # Both words are in every text: their order is the label.
    texts = ["x red blue", "red blue y", "blue red x", "y z blue red"] * 3
    data = data_of(
      train=(texts, ["dull", "dull", "good", "good"] * 3),
      test=(["z red blue", "z blue red"], ["dull", "good"]),
    )
    accuracies = [
      run(["tfidf_logistic"], data, tmp_path, ngrams=ngrams)["tfidf_logistic"].scores
      for ngrams in ((1, 1), (2, 2))
    ]
    assert [scores["test"]["accuracy"] for scores in accuracies] == [0.5, 1]

  @pytest.mark.parametrize("max_features", [None, 4])
  def test_boosting_is_that_of_scikit_learn(self, data, tmp_path, max_features):
    options = {"max_features": max_features, "num_estimators": 3, "seed": 7}
    run(["tfidf_boosting"], data, tmp_path, **options)
    expected = ensemble.GradientBoostingClassifier(n_estimators=3, random_state=7)
    # Few words: all are among the default's most frequent.
    self.check(data, tmp_path / "tfidf_boosting", max_features, expected)

  def check(self, data, directory, max_features, classifier):
    vectorizer = feature_extraction.text.TfidfVectorizer(
      token_pattern=r"\S+", max_features=max_features
    )
    train, test = (
      ([row.text_a for row in rows], [LABELS.index(row.label) for row in rows])
      for rows in (data.examples["train"], data.examples["test"])
    )
    classifier.fit(vectorizer.fit_transform(train[0]), train[1])
    expected = classifier.predict_proba(vectorizer.transform(test[0]))
    np.testing.assert_allclose(probabilities_of(directory), expected, rtol=1e-5)
    scores = json.loads((directory / "test" / "metrics.json").read_text())
    predicted = expected.argmax(axis=1)
    macro = metrics.f1_score(test[1], predicted, average="macro")
    assert scores["f1_macro"] == pytest.approx(macro)
    assert scores["accuracy"] == metrics.accuracy_score(test[1], predicted)

  def test_boosting_takes_750_words(self, monkeypatch, data, tmp_path):
    asked = {}
    whole = baseline_features.tfidf

    def spy(words, max_features, *others):
      asked[len(asked)] = max_features
      return whole(words, max_features, *others)

    monkeypatch.setattr(baseline_features, "tfidf", spy)
    run(["tfidf_logistic", "tfidf_boosting"], data, tmp_path, num_estimators=1)
    assert asked == {0: None, 1: 750}

  def test_no_words(self, tmp_path):
    data = data_of(train=([" ", ""], ["dull", "good"]), dev=(["a"], ["good"]))
    with pytest.raises(ValueError, match="train set have no words; look at its column"):
      run(["tfidf_logistic"], data, tmp_path)


class TestPairs:
  def test_likeness_is_learned(self, tmp_path):
    # Each text by itself says nothing: what tells is whether a pair's are the same.
    def rows(count, seed):
      draw = np.random.default_rng(seed)
      texts, labels = [], []
      for number in range(count):
        first, other = draw.permutation(6)[:2]
        second = other if number % 2 else first
        texts.append((f"w{first}", f"w{second}"))
        labels.append("dull" if number % 2 else "good")
      return texts, labels

    data = data_of(train=rows(200, 1), dev=rows(60, 2))
    scores = run(["tfidf_logistic"], data, tmp_path)["tfidf_logistic"].scores
    assert scores["dev"]["accuracy"] == 1

  def test_a_row_may_lack_its_second_text(self, tmp_path):
    data = data_of(
      train=([("a", "b"), "b"], ["dull", "good"]), dev=([("a", None)], ["dull"])
    )
    seen = []

    def encode(texts):
      seen.append(texts)
      return np.array([[float(text == "a"), len(text)] for text in texts])

    inputs = baseline_runs.Inputs(encode=encode)
    run(["encoder_logistic"], data, tmp_path, inputs)
    assert seen == [["a", "b"], ["b", ""], ["a"], [""]]


class TestVectors:
  @pytest.fixture
  def vectors(self, data):
    """Vectors that tell labels apart, of numbers that differ in size."""
    draw = np.random.default_rng(1)
    return {
      split: np.array(
        [[500.0 * LABELS.index(row.label), draw.normal() / 100, 3] for row in rows]
      )
      for split, rows in data.examples.items()
    }

  def test_are_scaled_and_have_the_same_head(self, data, vectors, tmp_path):
    inputs = baseline_runs.Inputs(vectors=vectors)
    scores = run(["vectors_logistic"], data, tmp_path, inputs)[
      "vectors_logistic"
    ].scores
    assert scores["test"] == {"accuracy": 1, "f1_macro": 1}
    # The same numbers in another unit.
    small = {split: values / 1000 for split, values in vectors.items()}
    run(["vectors_logistic"], data, tmp_path / "b", baseline_runs.Inputs(vectors=small))
    np.testing.assert_allclose(
      probabilities_of(tmp_path / "vectors_logistic"),
      probabilities_of(tmp_path / "b" / "vectors_logistic"),
      rtol=1e-4,
    )

  @pytest.mark.filterwarnings("ignore:.*hasn't converged")
  @pytest.mark.parametrize("kind", ["mlp", "boosting"])
  def test_have_the_other_heads_too(self, tmp_path, kind):
    # Which corner of a square: no line tells the labels apart.
    def rows(count, seed):
      draw = np.random.default_rng(seed)
      corners = draw.integers(2, size=[count, 2])
      labels = ["dull" if first == second else "good" for first, second in corners]
      return corners * 50.0 + draw.normal(0, 5, [count, 2]), labels

    sets = {"train": rows(200, 1), "test": rows(60, 2)}
    data = data_of(**{name: (["a"] * len(ids), ids) for name, (_, ids) in sets.items()})
    inputs = baseline_runs.Inputs(
      vectors={name: rows for name, (rows, _) in sets.items()}
    )
    names = ["vectors_logistic", f"vectors_{kind}"]
    options = {"num_estimators": 9, "hidden_sizes": (7, 5), "seed": 4}
    scores = run(names, data, tmp_path, inputs, **options)
    assert scores["vectors_logistic"].scores["test"]["accuracy"] < 0.7

    expected = {
      "mlp": neural_network.MLPClassifier((7, 5), random_state=4),
      "boosting": ensemble.GradientBoostingClassifier(n_estimators=9, random_state=4),
    }[kind]
    mean, scale = sets["train"][0].mean(axis=0), sets["train"][0].std(axis=0)
    train, test = ((sets[name][0] - mean) / scale for name in ("train", "test"))
    expected.fit(train, [LABELS.index(label) for label in sets["train"][1]])
    found = probabilities_of(tmp_path / f"vectors_{kind}")
    np.testing.assert_allclose(
      found[:, [0, 2]], expected.predict_proba(test), rtol=1e-4, atol=1e-6
    )
    if kind == "boosting":
      assert scores["vectors_boosting"].scores["test"]["accuracy"] == 1

  def test_an_mlp_learns_what_no_line_parts(self, tmp_path):
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 50) * 50.0
    labels = ["dull", "good", "good", "dull"] * 50
    data = data_of(train=(["a"] * 200, labels), dev=(["a"] * 4, labels[:4]))
    inputs = baseline_runs.Inputs(vectors={"train": corners, "dev": corners[:4]})
    scores = run(["vectors_mlp"], data, tmp_path, inputs)["vectors_mlp"].scores
    assert scores["dev"]["accuracy"] == 1


class TestReports:
  def test_each_baseline_has_the_classifiers_files(self, data, tmp_path):
    run(["majority", "tfidf_logistic"], data, tmp_path)
    report = {"metrics.json", "classification_report.txt"}
    report |= {"confusion_matrix.txt", "confusion_matrix.png"}
    for name in ("majority", "tfidf_logistic"):
      names = {path.name for path in (tmp_path / name).iterdir()}
      dev = {"eval_results.txt", "test_results.tsv", "predictions.tsv", "test"}
      assert names == report | dev
      assert {path.name for path in (tmp_path / name / "test").iterdir()} == report
    text = (tmp_path / "majority" / "eval_results.txt").read_text()
    keys = [line.split(" = ")[0] for line in text.splitlines()]
    assert keys == ["eval_accuracy", "eval_loss", "loss"]

  def test_a_summary_has_a_line_a_baseline(self, data, tmp_path):
    found = run(["tfidf_logistic", "majority"], data, tmp_path)
    lines = (tmp_path / "summary.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    scores = ["dev accuracy", "dev macro F1", "test accuracy", "test macro F1"]
    assert cells[0] == ["baseline", *scores, "inverse penalty", "seconds"]
    assert [row[0] for row in cells[2:]] == ["tfidf_logistic", "majority"]
    assert cells[2][5] == f"{found['tfidf_logistic'].inverse_penalty:g}"
    assert cells[3][5] == ""
    assert cells[3][3] == "0.5000"
    with open(tmp_path / "summary.csv", encoding="utf-8") as reader:
      rows = list(csv.DictReader(reader))
    for row in rows:
      result = found[row["baseline"]]
      assert float(row["test_f1_macro"]) == result.scores["test"]["f1_macro"]
      assert float(row["dev_accuracy"]) == result.scores["dev"]["accuracy"]
      assert float(row["seconds"]) == pytest.approx(result.seconds, abs=1e-3)
    penalties = [row["inverse_penalty"] for row in rows]
    assert float(penalties[0]) == found["tfidf_logistic"].inverse_penalty
    assert penalties[1] == ""

  def test_words_count_in_the_seconds_of_each(self, data, tmp_path, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(
      baseline_runs.time, "perf_counter", lambda: float(next(clock)) ** 2
    )
    found = run(
      ["majority", "tfidf_logistic", "tfidf_boosting"],
      data,
      tmp_path,
      num_estimators=1,
    )
    # Words from 0 to 1, then 4 to 9, 16 to 25, 36 to 49.
    assert [result.seconds for result in found.values()] == [5, 9 + 1, 13 + 1]

  def test_a_set_that_is_not_there_has_no_columns(self, tmp_path):
    data = data_of(train=sentences(8), test=sentences(8))
    run(["majority"], data, tmp_path)
    header = (tmp_path / "summary.csv").read_text().splitlines()[0]
    assert header == "baseline,test_accuracy,test_f1_macro,inverse_penalty,seconds"
    assert not (tmp_path / "majority" / "metrics.json").exists()

  def test_two_runs_are_equal(self, data, tmp_path):
    for directory in ("a", "b"):
      run(["tfidf_boosting"], data, tmp_path / directory, num_estimators=3)
    first, second = (
      (tmp_path / directory / "tfidf_boosting" / "predictions.tsv").read_bytes()
      for directory in "ab"
    )
    assert first == second


def test_one_label_teaches_nothing(tmp_path):
  data = data_of(train=(["a", "b"], ["dull", "dull"]), dev=(["a"], ["good"]))
  with pytest.raises(ValueError, match="have the label 'dull'; only --baselines=major"):
    run(["majority", "tfidf_logistic"], data, tmp_path / "out")
  assert not (tmp_path / "out").exists()


def test_a_label_of_one_row_is_learned_but_not_searched_with(searches, tmp_path):
  texts, labels = sentences(40)
  rows = [(t, n) for t, n in zip(texts, labels, strict=True) if n != "fine"]
  rows.insert(3, ("fine0", "fine"))
  data = data_of(
    train=tuple(map(list, zip(*rows, strict=True))), test=(["fine0"], ["fine"])
  )
  found = run(["tfidf_logistic"], data, tmp_path)["tfidf_logistic"]
  assert found.scores["test"]["accuracy"] == 1
  ((folds, score),) = searches
  assert np.flatnonzero(folds == -1).tolist() == [3]
  assert score == "f1_macro"  # rare labels count as others do


def test_labels_of_one_row_each_take_the_default_penalty(tmp_path):
  data = data_of(train=(["a", "b", "c"], LABELS), test=(["b"], ["fine"]))
  options = {"inverse_penalties": (1e-3, 0.5, 50.0)}
  found = run(["tfidf_logistic"], data, tmp_path, **options)["tfidf_logistic"]
  assert found.inverse_penalty == 0.5


def test_a_label_may_be_missing_in_the_train_set(tmp_path):
  data = data_of(
    train=(["a", "a", "b", "b"], ["dull", "dull", "good", "good"]),
    test=(["a", "b"], ["fine", "good"]),
  )
  run(["tfidf_logistic"], data, tmp_path)
  found = probabilities_of(tmp_path / "tfidf_logistic")
  assert found[:, 1].tolist() == [0, 0]
  np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
