"""Cached vectors score as the model does that sees both texts."""

import json

import numpy as np
import pytest
import tensorflow as tf

import bert_ja
from bert_ja import checkpoint, heads, model_files, pair_scoring, two_tower
from bert_ja.data import pair_features, tower_features
from bert_ja.encoding import encoder
from tests import vector_model

LABELS = ["no", "yes", "perhaps"]
LENGTH = 12
QUERY = "w3 w1 w4"
CANDIDATES = ["w1 w5", "", "w9 w2 w6 w5 w3 w5 w8 w9 w7 w9 w3 w2 w3", QUERY, "w8"]


def write_model(directory, combination, **recorded):
  """Two towers of random weights with a hidden layer, as a training leaves them."""
  vector_model.write(directory)
  settings = {
    "pair_model": "two_tower",
    "combination": combination,
    "attention_size": 4,
    "head": "mlp",
    "mlp_layers": ["7"],
    "max_seq_length": LENGTH,
    **recorded,
  }
  task = {"labels": LABELS, "flags": settings}
  (directory / "task.json").write_text(json.dumps(task))
  config = encoder.load(str(directory)).config
  model = two_tower.TwoTower(
    config,
    len(LABELS),
    seed=7,
    head=heads.HeadOptions((7,)),
    pair=two_tower.PairOptions(combination, 4),
  )
  variables = checkpoint.named_variables(model)
  prefix = model_files.find(str(directory)).init_checkpoint
  checkpoint.init_from_checkpoint(prefix, variables)
  draw = np.random.default_rng(8)
  for name, variable in variables.items():
    if not name.startswith("bert/"):
      variable.assign(draw.normal(0, 0.5, variable.shape))
  checkpoint.save_step(str(directory), 2, variables, None)
  return model


def uncached(model, tokenizer, query, candidates, directory):
  """What the model makes of records of the pairs."""
  examples = [
    pair_features.InputExample(str(number), query, text, "no")
    for number, text in enumerate(candidates)
  ]
  path = str(directory / "pairs.tf_record")
  tower_features.cached_features(examples, LABELS, LENGTH, tokenizer, path)
  from bert_ja.data import records

  features = records.read_records(path, tower_features.feature_spec(LENGTH))
  return tf.nn.softmax(model(features)).numpy()


@pytest.mark.parametrize(
  "combination", ["all", "attention_dot", "attention_additive", "attention_reduced"]
)
def test_cached_scores_equal_those_of_the_whole_model(combination, tmp_path):
  model = write_model(tmp_path, combination)
  scorer = bert_ja.PairScorer(str(tmp_path))
  tokenizer = encoder.load(str(tmp_path)).tokenizer
  expected = uncached(model, tokenizer, QUERY, CANDIDATES, tmp_path)
  assert np.ptp(expected[:, 0]) > 0.003
  encoded = scorer.encode(CANDIDATES)
  np.testing.assert_allclose(scorer.score(QUERY, encoded), expected, atol=1e-5)
  assert scorer.labels == LABELS


def rescored(directory, **recorded):
  """Scores of the candidates by the model there, as what is recorded of it says."""
  path = directory / "task.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | recorded))
  scorer = pair_scoring.PairScorer(str(directory))
  return scorer.score(QUERY, scorer.encode(CANDIDATES))


def test_of_several_labels_each_stands_for_itself(tmp_path):
  write_model(tmp_path, "difference")
  softmax = rescored(tmp_path)
  found = rescored(tmp_path, kind="multi_label")
  assert np.ptp(found.sum(axis=1)) > 0.01
  odds = found / (1 - found)  # e to the power of the logits
  expected = odds / odds.sum(axis=1, keepdims=True)
  np.testing.assert_allclose(softmax, expected, rtol=1e-4)


def test_numbers_are_in_the_unit_of_labels(tmp_path, monkeypatch):
  monkeypatch.setattr(f"{__name__}.LABELS", ["stars"])
  write_model(tmp_path, "difference")
  scale = {"mean": 0.0, "deviation": 1.0}
  plain = rescored(tmp_path, kind="regression", learned=scale)
  assert plain.shape == (5, 1)
  assert np.ptp(plain) > 0.01
  found = rescored(tmp_path, learned={"mean": 50.0, "deviation": 8.0})
  np.testing.assert_allclose(found, 50 + 8 * plain, rtol=1e-5)


@pytest.fixture(scope="module")
def means(tmp_path_factory):
  directory = tmp_path_factory.mktemp("means")
  write_model(directory, "difference")
  return pair_scoring.PairScorer(str(directory))


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
  directory = tmp_path_factory.mktemp("pieces")
  write_model(directory, "attention_dot")
  return pair_scoring.PairScorer(str(directory))


class TestVectors:
  def test_some_of_the_candidates_can_be_scored(self, means):
    encoded = means.encode(CANDIDATES)
    some = means.score(QUERY, encoded[[3, 0]])
    np.testing.assert_allclose(some, means.score(QUERY, encoded)[[3, 0]], atol=1e-6)

  def test_the_order_matters_only_where_the_combination_says_so(self, means):
    there = means.score("w1 w2", means.encode(["w7"]))
    back = means.score("w7", means.encode(["w1 w2"]))
    np.testing.assert_allclose(there, back, atol=1e-6)

  def test_no_candidate(self, means, pieces):
    assert means.score(QUERY, means.encode([])).shape == (0, 3)
    assert pieces.score(QUERY, pieces.encode([])).shape == (0, 3)

  def test_pieces_are_padded_with_zeros(self, pieces):
    encoded = pieces.encode(CANDIDATES)
    real = [4, 2, LENGTH, 5, 3]
    assert [int(any_.sum()) for any_ in (encoded != 0).any(axis=2)] == real

  def test_many_candidates_are_scored_in_parts(self, pieces):
    candidates = vector_model.WORDS * 2
    encoded = pieces.encode(candidates)
    assert len(encoded) > pair_scoring._TEXTS_OF_PIECES
    scores = pieces.score(QUERY, encoded)
    np.testing.assert_allclose(scores[:40], scores[40:], atol=1e-6)

  def test_one_text_is_no_list(self, means):
    with pytest.raises(ValueError, match="expected a list of texts, found one: 'w1'"):
      means.encode("w1")


class TestWrongInput:
  @pytest.mark.parametrize("text", [None, 7, ("w1", "w2"), ["w1", "w2"], b"w1"])
  def test_a_text_is_a_string(self, means, text):
    with pytest.raises(ValueError, match="text 1: expected a string, found"):
      means.encode(["w3", text])
    with pytest.raises(ValueError, match="text 0: expected a string, found"):
      means.score(text, np.zeros([2, 6], np.float32))

  @pytest.mark.parametrize(
    ("candidates", "found"),
    [
      (np.zeros([2, 5], np.float32), r"float32 \[2, 5\]"),
      (np.zeros([2, 4, 6], np.float32), r"float32 \[2, 4, 6\]"),
      (np.zeros([6], np.float32), r"float32 \[6\]"),
      (np.array(["w1", "w2"]), r"<U2 \[2\]"),
      (["w1", "w2"], "list"),
    ],
  )
  def test_candidates_are_vectors_of_texts(self, means, candidates, found):
    message = rf"expected .* float32 \[N, H\] with H = 6; found {found}$"
    with pytest.raises(ValueError, match=message):
      means.score(QUERY, candidates)

  def test_candidates_are_vectors_of_pieces(self, pieces):
    message = r"float32 \[N, S, H\] with H = 6; found float32 \[2, 6\]$"
    with pytest.raises(ValueError, match=message):
      pieces.score(QUERY, np.zeros([2, 6], np.float32))

  def test_other_precisions_of_vectors_are_taken(self, means):
    encoded = means.encode(CANDIDATES)
    np.testing.assert_allclose(
      means.score(QUERY, encoded.astype(np.float64)), means.score(QUERY, encoded)
    )


def test_a_model_of_one_sequence_is_refused(tmp_path):
  write_model(tmp_path, "all", pair_model="joint")
  message = f"{tmp_path} holds no model of two towers: train one"
  with pytest.raises(ValueError, match=message):
    pair_scoring.PairScorer(str(tmp_path))
