"""Two towers against numpy: combinations, padding, gradients, names."""

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import (
  checkpoint,
  heads,
  losses,
  modeling,
  optimization,
  train_step,
  two_tower,
)
from tests.heads_test import tiny_config

H, K, C = 6, 4, 3
ATTENTIONS = [name for name in two_tower.COMBINATIONS if name.startswith("attention")]


def pair_head(combination, dropout_prob=0.0):
  head = two_tower.PairHead(
    H,
    C,
    seed=2,
    pair=two_tower.PairOptions(combination, K),
    head=heads.HeadOptions((), dropout_prob),
  )
  draw = np.random.default_rng(1)
  for variable in head.variables:
    variable.assign(draw.normal(size=variable.shape))
  return head


def texts(lengths, longest, seed):
  """Vectors of pieces, float32 [B, S, H], zeros behind the last."""
  values = np.random.default_rng(seed).normal(size=[len(lengths), longest, H])
  for row, length in zip(values, lengths, strict=True):
    row[length:] = 0
  return values.astype(np.float32)


def classified(head, vectors):
  classifier = head.classifier
  return vectors @ classifier.output_weights.numpy().T + classifier.output_bias.numpy()


def softmax(scores, axis):
  values = np.exp(scores - scores.max(axis, keepdims=True))
  return values / values.sum(axis, keepdims=True)


def score(head, first, second):
  """Of two pieces, from the description."""
  if head.pair.combination == "attention_dot":
    return first @ second / np.sqrt(H)
  if head.pair.combination == "attention_reduced":
    projection = head.projection.numpy()
    return (first @ projection) @ (second @ projection) / np.sqrt(K)
  hidden = np.tanh(first @ head.first.numpy() + second @ head.second.numpy())
  return hidden @ head.score.numpy()


def compared(head, a, b):
  """An attention's four vectors for two texts without padding, [S, H] each."""
  scores = np.array([[score(head, first, second) for second in b] for first in a])
  given_a, given_b = softmax(scores, 1) @ b, softmax(scores, 0).T @ a
  differences = np.abs(a - given_a).mean(0), np.abs(b - given_b).mean(0)
  return np.concatenate([a.mean(0), b.mean(0), *differences])


class TestPairHead:
  @pytest.mark.parametrize(
    ("combination", "combine"),
    [
      ("concat", lambda u, v: [u, v]),
      ("difference", lambda u, v: [np.abs(u - v)]),
      ("product", lambda u, v: [u * v]),
      ("all", lambda u, v: [u, v, np.abs(u - v), u * v]),
    ],
  )
  def test_a_combination_of_vectors(self, combination, combine):
    head = pair_head(combination)
    u, v = np.random.default_rng(3).normal(size=[2, 5, H]).astype(np.float32)
    expected = classified(head, np.concatenate(combine(u, v), axis=1))
    np.testing.assert_allclose(head(u, v), expected, rtol=1e-4, atol=1e-5)

  @pytest.mark.parametrize("combination", ATTENTIONS)
  def test_an_attention_of_texts_of_different_lengths(self, combination):
    head = pair_head(combination)
    lengths_a, lengths_b = [4, 2, 1], [3, 5, 2]
    a, b = texts(lengths_a, 4, seed=4), texts(lengths_b, 7, seed=5)
    rows = zip(a, lengths_a, b, lengths_b, strict=True)
    vectors = [compared(head, x[:i], y[:j]) for x, i, y, j in rows]
    expected = classified(head, np.stack(vectors))
    np.testing.assert_allclose(head(a, b), expected, rtol=1e-4, atol=1e-4)

  @pytest.mark.parametrize("combination", ["difference", "product"])
  def test_it_is_symmetric_where_the_combination_is(self, combination):
    head = pair_head(combination)
    u, v = np.random.default_rng(3).normal(size=[2, 5, H]).astype(np.float32)
    np.testing.assert_array_equal(head(u, v), head(v, u))

  @pytest.mark.parametrize("combination", list(two_tower.COMBINATIONS))
  def test_a_row_of_no_text_has_finite_numbers_and_gradients(self, combination):
    # Rows that fill a batch are zeros.
    head = pair_head(combination)
    shape = [2, 3, H] if head.pair.of_pieces else [2, H]
    with tf.GradientTape() as tape:
      logits = head(tf.zeros(shape), tf.zeros(shape))
    gradients = tape.gradient(logits, head.variables)
    assert np.isfinite(logits).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)

  def test_dropout_acts_in_training(self):
    head = pair_head("concat", dropout_prob=0.5)
    u = np.ones([4, H], np.float32)
    stream = modeling.DropoutStream(1)
    assert not np.allclose(head(u, u, stream), head(u, u))

  @pytest.mark.parametrize(
    ("combination", "attention"),
    [
      ("all", {}),
      ("attention_dot", {}),
      ("attention_reduced", {"projection": [H, K]}),
      ("attention_additive", {"first": [H, K], "second": [H, K], "score": [K]}),
    ],
  )
  def test_names_and_shapes(self, combination, attention):
    names = {f"two_tower/attention/{name}": size for name, size in attention.items()}
    variables = checkpoint.named_variables(pair_head(combination))
    assert {name: list(value.shape) for name, value in variables.items()} == {
      **names,
      "two_tower/output_weights": [C, 4 * H],
      "two_tower/output_bias": [C],
    }

  def test_an_unknown_combination_is_named(self):
    with pytest.raises(ValueError, match="--combination=sum: expected one of concat"):
      two_tower.PairOptions("sum")


def pair_features(lengths, longest=7):
  """Random ids [B, 2, S]; `lengths` [B, 2]."""
  draw = np.random.default_rng(3)
  mask = (np.arange(longest) < np.array(lengths)[..., np.newaxis]).astype(np.int32)
  ids = draw.integers(1, 37, mask.shape, np.int32) * mask
  return {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(ids)}


def tower(combination, **config):
  config = {"initializer_range": 0.3, **config}
  pair = two_tower.PairOptions(combination, K)
  return two_tower.TwoTower(tiny_config(**config), C, pair=pair)


LENGTHS = [[7, 3], [2, 2], [4, 6]]


class TestTwoTower:
  @pytest.mark.parametrize("combination", ["concat", "attention_reduced"])
  def test_each_text_is_encoded_alone_without_its_padding(self, combination):
    model = tower(combination)
    features = pair_features(LENGTHS)
    logits = model(features).numpy()
    for row, lengths in enumerate(LENGTHS):
      vectors = []
      for text, length in enumerate(lengths):
        ids = features["input_ids"][row, text, :length][np.newaxis]
        pieces = model.bert(ids).get_sequence_output()
        vectors.append(pieces if combination != "concat" else pieces.numpy().mean(1))
      expected = model.head(*vectors)[0]
      np.testing.assert_allclose(logits[row], expected, rtol=1e-4, atol=1e-5)

  @pytest.mark.parametrize("combination", ["all", "attention_dot"])
  def test_vectors_in_place_of_texts_give_the_same(self, combination):
    model = tower(combination)
    features = pair_features(LENGTHS)
    sides = [
      model.encode({name: value[:, side] for name, value in features.items()})
      for side in (0, 1)
    ]
    stored = {"pooled_output": np.stack(sides, axis=1)}
    np.testing.assert_allclose(model(stored), model(features), rtol=1e-4, atol=1e-5)

  @pytest.mark.parametrize("combination", list(two_tower.COMBINATIONS))
  def test_gradients_reach_both_towers(self, combination):
    model = tower(combination)
    # Words that occur in one of the texts only: the rows of the table tell who was there.
    features = pair_features([[3, 3]], longest=3)
    features["input_ids"] = np.array([[[1, 2, 3], [4, 5, 6]]], np.int32)
    with tf.GradientTape() as tape:
      loss = losses.cross_entropy(model(features), [1])
    gradient = tape.gradient(loss, model.bert.embeddings.word_embeddings)
    sizes = np.abs(tf.convert_to_tensor(gradient)).sum(axis=1)
    assert (sizes[1:7] > 1e-6).all()
    assert (sizes[7:] == 0).all()

  def test_the_same_text_has_one_vector_on_both_sides(self):
    model = tower("difference")
    features = pair_features([[5, 5]])
    features["input_ids"][:, 1] = features["input_ids"][:, 0]
    expected = np.tile(model.head.classifier.output_bias, [1, 1])
    np.testing.assert_allclose(model(features), expected, atol=1e-6)

  def test_the_encoder_starts_as_that_of_one_sequence(self):
    config = tiny_config()
    expected = checkpoint.named_variables(heads.SentenceClassifier(config, C, seed=4))
    actual = checkpoint.named_variables(two_tower.TwoTower(config, C, seed=4))
    encoder = [name for name in expected if name.startswith("bert/")]
    assert [name for name in actual if name.startswith("bert/")] == encoder
    for name in encoder:
      np.testing.assert_array_equal(actual[name], expected[name])


@pytest.mark.parametrize(
  "combination",
  [
    # A compilation takes seconds.
    name if name == "attention_additive" else pytest.param(name, marks=pytest.mark.slow)
    for name in two_tower.COMBINATIONS
  ],
)
def test_a_step_by_xla_gives_the_same(combination):
  trained = [updated(tower(combination), jit_compile=compiled) for compiled in (0, 1)]
  (expected, before, after), (values, _, weights) = trained
  for name, value in expected.items():
    np.testing.assert_allclose(values[name], value, rtol=1e-5, err_msg=name)
  moved = after - before
  assert np.mean(moved != 0) > 0.5
  assert np.linalg.norm(weights - after) < 1e-4 * np.linalg.norm(moved)


def updated(model, **options):
  """Two updates: ({name: values [2]}, all weights before, all weights after)."""
  variables = checkpoint.named_variables(model)

  def weights():
    return np.concatenate([value.numpy().reshape(-1) for value in variables.values()])

  optimizer = optimization.AdamWeightDecayOptimizer(0.01)
  optimizer.build(variables)
  step = train_step.TrainStep(
    lambda features, stream: losses.cross_entropy(
      model(features), features["label_ids"]
    ),
    optimizer,
    variables,
    tf.distribute.get_strategy(),
    train_step.StepOptions(**options),
  )
  features = pair_features(LENGTHS) | {"label_ids": np.array([0, 2, 1], np.int32)}
  before = weights()
  rows = tf.data.Dataset.from_tensors(features).repeat()
  return step.run(iter(rows), 2), before, weights()
