"""Baselines of choices and numbers, against scikit-learn and formulas."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn import feature_extraction, linear_model

from bert_ja.baselines import baseline_data, baseline_runs
from bert_ja.data import choice_features
from bert_ja.tasks import base, multiple_choice, regression

WORDS = baseline_runs.Inputs(words=str.split)


def run(data, directory, *names, **options):
  options = baseline_runs.Options(**options)
  results = baseline_runs.run(names, data, WORDS, options, str(directory))
  return {result.name: result.scores for result in results}


def choice_data(**sets):
  """`Data` of rows (text, choices, label)."""
  examples = {
    name: [choice_features.ChoiceExample(f"{name}-{n}", *row) for n, row in rows]
    for name, rows in ((name, enumerate(rows)) for name, rows in sets.items())
  }
  kind = multiple_choice.Choice([])
  for rows in examples.values():
    kind.check(rows)
  return baseline_data.Data("choice", kind, examples)


def choice_rows(count, seed):
  """The right choice has a word of the text; of four places some are empty."""
  draw = np.random.default_rng(seed)
  rows = []
  for _ in range(count):
    words = [f"w{n}" for n in draw.permutation(12)]
    choices = [f"{words[place]} x" for place in range(4)]
    label, other = map(int, draw.permutation(4)[:2])
    choices[other] = ""
    rows.append((f"{words[label]} y", choices, label))
  return rows


class TestChoices:
  def test_the_choice_that_is_like_the_text_is_found(self, tmp_path):
    data = choice_data(train=choice_rows(80, 1), dev=choice_rows(30, 2))
    scores = run(data, tmp_path, "majority", "tfidf_cosine", "tfidf_logistic")
    assert scores["tfidf_cosine"]["dev"] == {"accuracy": 1}
    assert scores["tfidf_logistic"]["dev"]["accuracy"] > 0.9
    assert scores["majority"]["dev"]["accuracy"] < 0.7

  def test_majority_is_the_most_frequent_place(self, tmp_path):
    train = [("a", ["b", "c", "d"], place) for place in (0, 2, 2, 1, 2)]
    dev = [("a", ["b", "c", "d"], place) for place in (2, 0, 2, 1)]
    # Where that place has no choice, the next frequent one is taken.
    dev.append(("a", ["b", "", ""], 0))
    data = choice_data(train=train, dev=dev)
    assert run(data, tmp_path, "majority")["majority"]["dev"]["accuracy"] == 3 / 5

  def test_a_place_that_is_seldom_there_is_not_the_most_frequent(self, tmp_path):
    both = [("a", ["b", "c", ""], place) for place in (0, 0, 0, 1, 1)]
    # Wherever the third place is filled it is right; that is twice.
    train = [*both, *(("a", ["b", "c", "d"], 2) for _ in range(2))]
    dev = [("a", ["b", "c", "d"], 0)] * 3
    data = choice_data(train=train, dev=dev)
    assert run(data, tmp_path, "majority")["majority"]["dev"]["accuracy"] == 1
    results = json.loads((tmp_path / "majority" / "metrics.json").read_text())
    # Counts 3, 2, 2, and one more of each.
    assert results["eval_loss"] == pytest.approx(-np.log(4 / 10))

  def test_scores_are_log_odds_and_the_loss_is_of_the_choices(self, tmp_path):
    data = choice_data(train=choice_rows(40, 1), test=choice_rows(7, 2))
    run(data, tmp_path, "tfidf_cosine", inverse_penalties=(2.0,))
    cosines, right, texts = {}, [], []
    for name in ("train", "test"):
      pairs = [
        (row.text, choice, place == row.label)
        for row in data.examples[name]
        for place, choice in enumerate(row.choices)
        if choice
      ]
      if name == "train":
        right = [pair[2] for pair in pairs]
        texts = [pair[side] for side in (0, 1) for pair in pairs]
        vectorizer = feature_extraction.text.TfidfVectorizer(token_pattern=r"\S+")
        vectorizer.fit(texts)
      first, second = (
        vectorizer.transform([pair[side] for pair in pairs]).toarray()
        for side in (0, 1)
      )
      cosines[name] = np.sum(first * second, axis=1, keepdims=True)
    model = linear_model.LogisticRegression(C=2).fit(cosines["train"], right)
    odds = iter(model.decision_function(cosines["test"]))
    expected = np.zeros([7, 4])
    for row, example in zip(expected, data.examples["test"], strict=True):
      row[:] = [np.exp(next(odds)) if choice else 0 for choice in example.choices]
    expected /= expected.sum(axis=1, keepdims=True)
    found = np.loadtxt(tmp_path / "tfidf_cosine" / "test_results.tsv")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)

  def test_results_are_those_of_the_task(self, tmp_path):
    data = choice_data(train=choice_rows(30, 1), dev=choice_rows(9, 2))
    run(data, tmp_path, "majority")
    results = json.loads((tmp_path / "majority" / "metrics.json").read_text())
    assert set(results) == {"eval_accuracy", "eval_loss", "loss"}
    assert 0 < results["eval_loss"] < np.log(4)

  def test_choices_of_a_row_are_never_apart(self, searches, tmp_path):
    rows = choice_rows(11, 1)
    rows.insert(4, ("a", ["b", "", "", ""], 0))  # always right, and so never scored
    run(choice_data(train=rows, dev=rows), tmp_path, "tfidf_logistic")
    ((folds, score),) = searches
    assert score == "neg_log_loss"  # odds are what is compared
    counts = [sum(map(bool, choices)) for _, choices, _ in rows]
    parts = np.split(folds, np.cumsum(counts)[:-1])
    of_rows = [set(part.tolist()) for part in parts]
    assert all(len(found) == 1 for found in of_rows)
    assert of_rows[4] == {-1}
    assert {fold for found in of_rows for fold in found} == {-1, 0, 1, 2, 3, 4}

  def test_the_penalty_of_choices_is_searched(self, tmp_path):
    data = choice_data(train=choice_rows(80, 1), dev=choice_rows(30, 2))
    options = baseline_runs.Options(inverse_penalties=(1e-4, 5.0))
    args = ["tfidf_logistic"], data, WORDS, options, str(tmp_path)
    assert [result.inverse_penalty for result in baseline_runs.run(*args)] == [5]

  def test_rows_of_one_choice_teach_nothing(self, tmp_path):
    data = choice_data(train=[("a", ["b"], 0)] * 3, dev=[("a", ["b"], 0)])
    with pytest.raises(ValueError, match="no row of the train set has a wrong choice"):
      run(data, tmp_path / "out", "tfidf_cosine")
    assert not (tmp_path / "out").exists()


def number_data(**sets):
  """`Data` of rows (first text, second or None, number)."""
  examples = {
    name: [base.InputExample(f"{name}-{n}", *row) for n, row in rows]
    for name, rows in ((name, enumerate(rows)) for name, rows in sets.items())
  }
  kind = regression.Regression(["label"])
  kind.learn(examples["train"])
  return baseline_data.Data("regression", kind, examples)


def number_rows(count, seed):
  """Pairs of four words; the number says how many they have in common."""
  draw = np.random.default_rng(seed)
  rows = []
  for _ in range(count):
    words = [f"w{n}" for n in draw.permutation(16)]
    common = int(draw.integers(5))
    second = words[:common] + words[4 : 8 - common]
    rows.append((" ".join(words[:4]), " ".join(second), str(10 + common)))
  return rows


class TestNumbers:
  def test_likeness_tells_the_number(self, tmp_path):
    data = number_data(train=number_rows(90, 1), dev=number_rows(40, 2))
    scores = run(data, tmp_path, "mean", "tfidf_cosine", "tfidf_ridge")
    assert scores["mean"]["dev"] == {"pearson": 0, "spearman": 0}
    assert scores["tfidf_cosine"]["dev"]["pearson"] > 0.95
    assert scores["tfidf_ridge"]["dev"]["pearson"] > 0.6

  def test_the_loss_of_the_mean_is_that_of_a_model_that_knows_it(self, tmp_path):
    rows = number_rows(50, 1)
    run(number_data(train=rows, dev=rows), tmp_path, "mean")
    results = json.loads((tmp_path / "mean" / "metrics.json").read_text())
    assert results["eval_loss"] == pytest.approx(1)
    numbers = [float(row[2]) for row in rows]
    assert results["eval_mean_squared_error"] == pytest.approx(np.var(numbers))

  def test_ridge_is_that_of_scikit_learn(self, tmp_path):
    rows = {
      name: [(text, None, number) for text, _, number in number_rows(count, seed)]
      for name, count, seed in (("train", 60, 1), ("test", 20, 2))
    }
    data = number_data(**rows)
    scores = run(data, tmp_path, "tfidf_ridge", inverse_penalties=(4.0,))
    scores = scores["tfidf_ridge"]["test"]
    vectorizer = feature_extraction.text.TfidfVectorizer(token_pattern=r"\S+")
    model = linear_model.Ridge(alpha=0.25)
    train, test = (
      ([row[0] for row in rows[name]], [float(row[2]) for row in rows[name]])
      for name in ("train", "test")
    )
    model.fit(vectorizer.fit_transform(train[0]), train[1])
    expected = model.predict(vectorizer.transform(test[0]))
    assert scores["pearson"] == pytest.approx(stats.pearsonr(expected, test[1])[0])
    assert scores["spearman"] == pytest.approx(stats.spearmanr(expected, test[1])[0])

  def test_single_texts_have_nothing_to_be_like(self, tmp_path):
    data = number_data(train=[("a", None, "1")], dev=[("a", None, "2")])
    with pytest.raises(ValueError, match="compares two texts, and rows have one; name"):
      run(data, tmp_path / "out", "tfidf_cosine")
