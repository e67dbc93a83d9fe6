"""Heads of pre-training against the original's stored numbers and numpy.

Sizes: B=4 rows, S=6 positions, P=3 predictions, H=8 hidden, V=37.
"""

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, modeling, pretraining_heads

B, S, P, H, V = 4, 6, 3, 8, 37


def tiny_config(**changes):
  sizes = {
    "vocab_size": V,
    "hidden_size": H,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "initializer_range": 0.3,
  }
  return modeling.BertConfig(**{**sizes, **changes})


def tiny_features(seed=3):
  draw = np.random.default_rng(seed)
  return {
    "input_ids": draw.integers(0, V, [B, S], np.int32),
    "input_mask": np.ones([B, S], np.int32),
    "segment_ids": draw.integers(0, 2, [B, S], np.int32),
    "masked_lm_positions": draw.integers(0, S, [B, P], np.int32),
    "masked_lm_ids": draw.integers(0, V, [B, P], np.int32),
    # Another number of predictions in each row.
    "masked_lm_weights": np.float32([[1, 0, 0], [1, 1, 1], [0, 0, 0], [1, 1, 0]]),
    "next_sentence_labels": np.int32([[0], [1], [1], [0]]),
  }


def log_softmax(x):
  x = np.asarray(x, np.float64)
  return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def expected_losses(model, features, rows=slice(None)):
  """(masked-LM loss, next-sentence loss) of rows, from logits, in numpy."""
  outputs = model(features)
  log_probs = log_softmax(outputs.masked_lm_logits).reshape(B, P, V)[rows]
  labels, weights = features["masked_lm_ids"][rows], features["masked_lm_weights"][rows]
  nll = -np.take_along_axis(log_probs, labels[..., None], axis=-1)[..., 0]
  masked_lm_loss = (weights * nll).sum() / (weights.sum() + 1e-5)
  log_probs = log_softmax(outputs.next_sentence_logits)[rows]
  nll = -np.take_along_axis(log_probs, features["next_sentence_labels"][rows], axis=-1)
  return masked_lm_loss, nll.mean()


@pytest.fixture(scope="module")
def model():
  model = pretraining_heads.PretrainingModel(tiny_config(), seed=2)
  draw = np.random.default_rng(5)
  # Zeros and ones of a fresh model would hide a missing bias or factor.
  for variable in checkpoint.named_variables(model).values():
    variable.assign_add(draw.normal(0, 0.2, variable.shape).astype(np.float32))
  return model


@pytest.fixture(scope="module")
def golden(golden_model):
  """The stored model: (model, encoder's outputs, inputs)."""
  config = modeling.BertConfig.from_json_file(golden_model.config_file)
  model = pretraining_heads.PretrainingModel(config)
  loaded = checkpoint.init_from_checkpoint(
    golden_model.init_checkpoint, checkpoint.named_variables(model)
  )
  assert len(loaded) == len(golden_model.variable_shapes())
  inputs = golden_model.arrays("inputs")
  names = ("input_ids", "input_mask", "segment_ids")
  return model, model.bert(*(inputs[name] for name in names)), inputs


class TestPretrainingModel:
  def test_variables_have_the_originals_names_order_and_shapes(self, golden_model):
    config = modeling.BertConfig.from_json_file(golden_model.config_file)
    variables = checkpoint.named_variables(pretraining_heads.PretrainingModel(config))
    found = [(name, tuple(v.shape)) for name, v in variables.items()]
    assert found == golden_model.variable_shapes()

  def test_first_values_are_of_the_configs_range(self):
    """Next-sentence weights too (A-157), where a classifier's are not."""
    config = tiny_config(initializer_range=3.0, hidden_size=256)
    model = pretraining_heads.PretrainingModel(config)
    assert 2 < model.next_sentence.output_weights.numpy().std() < 3
    assert 2 < model.masked_lm.dense.kernel.numpy().std() < 3

  def test_without_next_sentence_there_is_no_such_head(self):
    model = pretraining_heads.PretrainingModel(tiny_config(), next_sentence=False)
    names = list(checkpoint.named_variables(model))
    assert not any("seq_relationship" in name for name in names)
    assert model(tiny_features()).next_sentence_logits is None

  def test_only_masked_positions_reach_the_vocabulary(self, model):
    assert model(tiny_features()).masked_lm_logits.shape == [B * P, V]

  def test_dropout_acts_with_a_stream(self, model):
    features = tiny_features()
    first, second, none = (
      model(features, stream).masked_lm_logits.numpy()
      for stream in (modeling.DropoutStream(1), modeling.DropoutStream(2), None)
    )
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(first - none).max() > 1e-3

  def test_a_second_instance_loads_what_the_first_saved(self, model, tmp_path):
    checkpoint.save(str(tmp_path / "model"), checkpoint.named_variables(model))
    second = pretraining_heads.PretrainingModel(tiny_config(), seed=9)
    checkpoint.restore(str(tmp_path / "model"), checkpoint.named_variables(second))
    for name in ("masked_lm_logits", "next_sentence_logits"):
      first, again = (getattr(m(tiny_features()), name) for m in (model, second))
      np.testing.assert_array_equal(first, again)

  def test_bfloat16_products_stay_near_float32(self, model):
    half = pretraining_heads.PretrainingModel(
      tiny_config(), precision=modeling.Precision.from_name("bfloat16")
    )
    sources = checkpoint.named_variables(model).values()
    targets = checkpoint.named_variables(half).values()
    for target, source in zip(targets, sources, strict=True):
      target.assign(source)
    logits, expected = (m(tiny_features()).masked_lm_logits for m in (half, model))
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, expected, atol=0.05 * np.abs(expected).max())
    assert np.abs(logits - expected).max() > 0


class TestGatherIndexes:
  def test_takes_each_rows_own_positions(self):
    sequence = np.random.default_rng(1).normal(size=[B, S, H]).astype(np.float32)
    positions = np.int32([[5, 0, 5], [1, 2, 3], [0, 0, 0], [4, 3, 2]])
    expected = [sequence[b, p] for b in range(B) for p in positions[b]]
    found = pretraining_heads.gather_indexes(
      tf.constant(sequence), tf.constant(positions)
    )
    np.testing.assert_array_equal(found, expected)


class TestOriginalsOutputs:
  def test_masked_lm(self, golden, golden_model):
    model, outputs, inputs = golden
    expected = golden_model.arrays("pretraining_outputs")
    loss, per_example_loss, log_probs = pretraining_heads.get_masked_lm_output(
      model.masked_lm,
      outputs.get_sequence_output(),
      outputs.get_embedding_table(),
      tf.constant(inputs["masked_lm_positions"]),
      inputs["masked_lm_ids"],
      inputs["masked_lm_weights"],
    )
    for value, name in (
      (loss, "masked_lm_loss"),
      (per_example_loss, "masked_lm_example_loss"),
      (log_probs, "masked_lm_log_probs"),
    ):
      np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5)

  def test_next_sentence(self, golden, golden_model):
    model, outputs, inputs = golden
    expected = golden_model.arrays("pretraining_outputs")
    found = pretraining_heads.get_next_sentence_output(
      model.next_sentence, outputs.get_pooled_output(), inputs["next_sentence_labels"]
    )
    for value, name in zip(found, ("loss", "example_loss", "log_probs"), strict=True):
      np.testing.assert_allclose(
        value, expected[f"next_sentence_{name}"], rtol=1e-4, atol=1e-5
      )


@pytest.fixture(scope="module", params=[False, True], ids=["gather", "one_hot"])
def computed(request, golden_model):
  """(loss, {variable name: gradient}) of what is trained, the mean of rows."""
  config = modeling.BertConfig.from_json_file(golden_model.config_file)
  model = pretraining_heads.PretrainingModel(
    config, use_one_hot_embeddings=request.param
  )
  variables = checkpoint.named_variables(model)
  checkpoint.init_from_checkpoint(golden_model.init_checkpoint, variables)
  features = pretraining_heads.add_prediction_scale(
    {name: tf.constant(value) for name, value in golden_model.arrays("inputs").items()}
  )

  @tf.function
  def run():
    with tf.GradientTape() as tape:
      losses = pretraining_heads.row_losses(model(features), features)
      loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, list(variables.values()))
    return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

  loss, gradients = run()
  return loss, dict(zip(variables, gradients, strict=True))


class TestPretrainingGradients:
  def test_loss_is_the_originals(self, golden_model, computed):
    expected = golden_model.arrays("pretraining_outputs")["total_loss"]
    np.testing.assert_allclose(computed[0], expected, rtol=1e-4, atol=1e-5)

  def test_every_gradient_is_the_originals(self, golden_model, computed):
    expected = golden_model.arrays("pretraining_gradients")
    assert set(computed[1]) == set(expected)
    for name, value in computed[1].items():
      np.testing.assert_allclose(
        value, expected[name], rtol=1e-3, atol=1e-4, err_msg=name
      )

  def test_global_norm_is_the_originals(self, golden_model, computed):
    expected = golden_model.arrays("pretraining_outputs")["global_norm"]
    norm = tf.linalg.global_norm(list(computed[1].values()))
    np.testing.assert_allclose(norm, expected, rtol=1e-3)


class TestRowLosses:
  def test_their_mean_is_the_loss_of_the_batch(self, model):
    features = pretraining_heads.add_prediction_scale(tiny_features())
    losses = pretraining_heads.row_losses(model(features), features)
    np.testing.assert_allclose(
      np.mean(losses), sum(expected_losses(model, features)), rtol=1e-5
    )

  def test_parts_of_a_batch_have_the_same_losses_as_the_whole(self, model):
    """So that devices and accumulated parts add up, though their predictions differ."""
    features = pretraining_heads.add_prediction_scale(tiny_features())
    whole = pretraining_heads.row_losses(model(features), features)
    part = {name: value[1:] for name, value in features.items()}
    np.testing.assert_allclose(
      pretraining_heads.row_losses(model(part), part), whole[1:], rtol=1e-5
    )

  def test_a_batch_without_predictions_has_only_the_other_loss(self, model):
    features = tiny_features()
    features["masked_lm_weights"] *= 0
    features = pretraining_heads.add_prediction_scale(features)
    losses = pretraining_heads.row_losses(model(features), features)
    np.testing.assert_allclose(
      np.mean(losses), expected_losses(model, features)[1], rtol=1e-5
    )


class TestEvaluationMetrics:
  def outputs(self, model):
    features = tiny_features()
    # Two right answers: one counts, one has no weight.
    best = np.argmax(model(features).masked_lm_logits, axis=-1).reshape(B, P)
    wrong = (best + 1) % V
    features["masked_lm_ids"] = wrong.astype(np.int32)
    for place in ((1, 2), (3, 2)):
      features["masked_lm_ids"][place] = best[place]
    values = pretraining_heads.row_outputs(model(features), features)
    return features, {name: np.asarray(value) for name, value in values.items()}

  def test_are_means_over_predictions_and_rows(self, model):
    features, outputs = self.outputs(model)
    results = pretraining_heads.evaluation_metrics(outputs, batch_size=2)
    masked, following = expected_losses(model, features)
    logits = model(features).next_sentence_logits
    correct = np.argmax(logits, axis=-1) == features["next_sentence_labels"][:, 0]
    assert results["masked_lm_accuracy"] == pytest.approx(1 / 6)
    assert results["masked_lm_loss"] == pytest.approx(masked, rel=1e-4)
    assert results["next_sentence_accuracy"] == pytest.approx(correct.mean())
    assert results["next_sentence_loss"] == pytest.approx(following, rel=1e-4)

  def test_loss_is_the_mean_of_the_batches_losses(self, model):
    features, outputs = self.outputs(model)
    results = pretraining_heads.evaluation_metrics(outputs, batch_size=2)
    batches = [
      sum(expected_losses(model, features, rows)) for rows in (slice(2), slice(2, 4))
    ]
    assert results["loss"] == pytest.approx(np.mean(batches), rel=1e-4)

  def test_without_next_sentence_are_those_of_masked_words(self):
    model = pretraining_heads.PretrainingModel(tiny_config(), next_sentence=False)
    _, outputs = self.outputs(model)
    results = pretraining_heads.evaluation_metrics(outputs, batch_size=4)
    assert set(results) == {"masked_lm_accuracy", "masked_lm_loss", "loss"}
    assert results["loss"] == pytest.approx(results["masked_lm_loss"], rel=1e-4)

  def test_no_prediction_at_all_is_no_division_by_zero(self, model):
    _, outputs = self.outputs(model)
    outputs["masked_lm_weights"] = outputs["masked_lm_weights"] * 0
    results = pretraining_heads.evaluation_metrics(outputs, batch_size=2)
    assert results["masked_lm_loss"] == results["masked_lm_accuracy"] == 0
