"""Output layers against numpy and the original's stored numbers."""

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, heads, losses, modeling

NUM_LABELS = 3


def tiny_config(**changes):
  sizes = {
    "vocab_size": 37,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
  }
  return modeling.BertConfig(**{**sizes, **changes})


def tiny_features(batch=4, length=5):
  rng = np.random.default_rng(3)
  return {
    "input_ids": rng.integers(0, 37, [batch, length], np.int32),
    "input_mask": np.ones([batch, length], np.int32),
    "segment_ids": rng.integers(0, 2, [batch, length], np.int32),
  }


class TestSentenceClassifier:
  def test_head_has_the_originals_names_and_shapes_after_the_encoder(self):
    variables = checkpoint.named_variables(
      heads.SentenceClassifier(tiny_config(), NUM_LABELS)
    )
    encoder = list(checkpoint.named_variables(modeling.BertModel(tiny_config())))
    assert list(variables) == [*encoder, "output_weights", "output_bias"]
    assert variables["output_weights"].shape == [3, 8]
    assert variables["output_bias"].shape == [3]

  def test_logits_are_a_linear_function_of_the_pooled_vector(self):
    classifier = heads.SentenceClassifier(tiny_config(), NUM_LABELS)
    classifier.head.output_bias.assign([0.5, -1.0, 2.0])
    features = tiny_features()
    pooled = classifier.bert(
      features["input_ids"], features["input_mask"], features["segment_ids"]
    ).get_pooled_output()
    weights = classifier.head.output_weights.numpy()
    expected = pooled.numpy() @ weights.T + [0.5, -1.0, 2.0]
    np.testing.assert_allclose(classifier(features), expected, atol=1e-6)

  @pytest.mark.parametrize("name", ["input_mask", "segment_ids"])
  def test_logits_depend_on_mask_and_segments(self, name):
    classifier = heads.SentenceClassifier(
      tiny_config(initializer_range=0.5), NUM_LABELS
    )
    features = tiny_features()
    before = classifier(features)
    features[name] = features[name].copy()
    features[name][:, 2] = 1 - features[name][:, 2]
    assert np.abs(classifier(features) - before).max() > 1e-6

  def test_logits_are_the_originals(self, golden_model):
    classifier = heads.SentenceClassifier(
      modeling.BertConfig.from_json_file(golden_model.config_file), NUM_LABELS
    )
    variables = checkpoint.named_variables(classifier)
    loaded = checkpoint.init_from_checkpoint(golden_model.init_checkpoint, variables)
    assert set(variables) - loaded == {"output_weights", "output_bias"}
    stored = golden_model.arrays("finetuning_trajectory")
    classifier.head.output_weights.assign(stored["init/output_weights"])
    inputs = golden_model.arrays("inputs")
    logits = classifier(inputs)
    np.testing.assert_allclose(logits, stored["init_logits"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
      losses.cross_entropy(logits, inputs["label_ids"]),
      stored["per_example_loss"],
      rtol=1e-4,
      atol=1e-5,
    )

  def test_dropout_of_the_pooled_vector_is_a_tenth_whatever_the_config_says(self):
    config = tiny_config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    classifier = heads.SentenceClassifier(config, num_labels=8)
    # Each logit shows one element of the pooled vector.
    classifier.head.output_weights.assign(tf.eye(8))
    features = tiny_features(batch=500)
    pooled = classifier(features).numpy()
    dropped = classifier(features, modeling.DropoutStream(5)).numpy()
    share = (dropped == 0).mean()
    assert abs(share - 0.1) < 5 * np.sqrt(0.1 * 0.9 / pooled.size)
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], pooled[kept] / 0.9, rtol=1e-4)

  def test_a_stream_switches_dropout_of_the_encoder_on(self):
    classifier = heads.SentenceClassifier(
      tiny_config(hidden_dropout_prob=0.5, initializer_range=0.5), NUM_LABELS
    )
    streams = [modeling.DropoutStream(5, step) for step in (0, 0, 1)]
    first, same, other = (classifier(tiny_features(), stream) for stream in streams)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-3

  def test_another_number_of_classes_starts_from_the_same_encoder(self):
    two, three = (heads.SentenceClassifier(tiny_config(), n, seed=4) for n in (2, 3))
    np.testing.assert_array_equal(two.bert.pooler.kernel, three.bert.pooler.kernel)

  def test_head_starts_small_and_by_seed(self):
    first, same, other = (
      heads.SentenceClassifier(
        tiny_config(), NUM_LABELS, seed
      ).head.output_weights.numpy()
      for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.any(first == other)
    assert 0 < np.abs(first).max() <= 2 * 0.02

  def test_second_instance_loads_what_the_first_saved(self, tmp_path):
    first, second = (
      heads.SentenceClassifier(tiny_config(), NUM_LABELS, seed) for seed in (1, 2)
    )
    prefix = str(tmp_path / "model.ckpt-1")
    checkpoint.save(prefix, checkpoint.named_variables(first))
    checkpoint.restore(prefix, checkpoint.named_variables(second))
    features = tiny_features()
    np.testing.assert_array_equal(first(features), second(features))

  def test_pooled_vectors_in_place_of_texts_give_the_same_logits(self):
    classifier = heads.SentenceClassifier(tiny_config(), NUM_LABELS)
    features = tiny_features()
    vectors = {"pooled_output": classifier.encode(features)}
    np.testing.assert_array_equal(classifier(vectors), classifier(features))

  def test_hidden_layers_are_the_heads_alone(self):
    """The encoder's names and first values stay."""
    options = heads.HeadOptions((6, 5))
    deep = heads.SentenceClassifier(tiny_config(), NUM_LABELS, head=options)
    plain = heads.SentenceClassifier(tiny_config(), NUM_LABELS)
    encoder = checkpoint.named_variables(plain.bert)
    variables = checkpoint.named_variables(deep)
    assert list(variables)[: len(encoder)] == list(encoder)
    for name, variable in encoder.items():
      np.testing.assert_array_equal(variable, variables[name])


class TestTokenClassifier:
  def test_names_and_shapes_are_those_of_a_sentence_classifier(self):
    model, other = (
      checkpoint.named_variables(cls(tiny_config(), NUM_LABELS))
      for cls in (heads.TokenClassifier, heads.SentenceClassifier)
    )
    assert list(model) == list(other)
    assert model["output_weights"].shape == [3, 8]
    assert model["output_bias"].shape == [3]

  def test_logits_are_a_linear_map_of_each_position(self):
    model, features = heads.TokenClassifier(tiny_config(), NUM_LABELS), tiny_features()
    model.head.output_bias.assign([0.5, -1.0, 2.0])
    outputs = model.bert(*features.values()).get_sequence_output().numpy()
    expected = outputs @ model.head.output_weights.numpy().T + [0.5, -1.0, 2.0]
    logits = model(features)
    assert logits.shape == [4, 5, 3]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)

  def test_the_number_of_classes_is_known_before_that_of_rows(self):
    model = heads.TokenClassifier(tiny_config(), NUM_LABELS)
    names = ("input_ids", "input_mask", "segment_ids")
    spec = {name: tf.TensorSpec([None, None], tf.int32) for name in names}
    assert tf.function(model).get_concrete_function(spec).output_shapes[-1] == 3

  def test_hidden_layers_stand_on_each_position(self):
    options = heads.HeadOptions((6, 5))
    model = heads.TokenClassifier(tiny_config(), NUM_LABELS, head=options)
    features = tiny_features()
    vectors = model.encode(features)
    np.testing.assert_allclose(
      model(features)[2], model.head(vectors[2]), rtol=1e-5, atol=1e-6
    )

  def test_dropout_of_the_vectors_is_a_tenth(self):
    config = tiny_config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = heads.TokenClassifier(config, num_labels=8)
    # Each logit shows one element of a vector.
    model.head.output_weights.assign(tf.eye(8))
    dropped = model(tiny_features(batch=100), modeling.DropoutStream(5)).numpy()
    share = (dropped == 0).mean()
    assert abs(share - 0.1) < 5 * np.sqrt(0.1 * 0.9 / dropped.size)

  def test_vectors_in_place_of_texts_give_the_same_logits(self):
    model, features = heads.TokenClassifier(tiny_config(), NUM_LABELS), tiny_features()
    vectors = {"pooled_output": model.encode(features)}
    np.testing.assert_array_equal(model(vectors), model(features))

  def test_second_instance_loads_what_the_first_saved(self, tmp_path):
    first, second = (
      heads.TokenClassifier(tiny_config(), NUM_LABELS, seed) for seed in (1, 2)
    )
    prefix = str(tmp_path / "model.ckpt-1")
    checkpoint.save(prefix, checkpoint.named_variables(first))
    checkpoint.restore(prefix, checkpoint.named_variables(second))
    features = tiny_features()
    np.testing.assert_array_equal(first(features), second(features))


class TestVectorClassifier:
  def test_names_and_shapes(self):
    head = heads.VectorClassifier(7, 3, options=heads.HeadOptions((6, 5)))
    shapes = {n: tuple(v.shape) for n, v in checkpoint.named_variables(head).items()}
    assert list(shapes.items()) == [
      ("mlp/hidden_0/kernel", (7, 6)),
      ("mlp/hidden_0/bias", (6,)),
      ("mlp/hidden_1/kernel", (6, 5)),
      ("mlp/hidden_1/bias", (5,)),
      ("output_weights", (3, 5)),
      ("output_bias", (3,)),
    ]

  def test_logits_equal_numpy(self):
    head = heads.VectorClassifier(7, 3, options=heads.HeadOptions((6, 5)))
    rng = np.random.default_rng(4)
    values = {}
    for name, variable in checkpoint.named_variables(head).items():
      values[name] = rng.normal(size=variable.shape).astype(np.float32)
      variable.assign(values[name])
    x = vectors = rng.normal(size=[4, 7]).astype(np.float32)
    for layer in ("mlp/hidden_0", "mlp/hidden_1"):
      x = x @ values[f"{layer}/kernel"] + values[f"{layer}/bias"]
      # The tanh form, as in the encoder.
      x = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    expected = x @ values["output_weights"].T + values["output_bias"]
    np.testing.assert_allclose(head(vectors), expected, rtol=1e-4, atol=1e-5)

  @pytest.mark.parametrize(
    ("kernel", "bias", "kept"),
    [
      (np.zeros([900, 900]), 3.0, 0.5),  # whatever the vector is, an output is there
      (np.eye(900) * 3.0, 0.0, 0.25),  # an output shows its element of the vector
    ],
  )
  def test_the_vector_and_the_output_of_a_hidden_layer_are_dropped(
    self, kernel, bias, kept
  ):
    head = heads.VectorClassifier(900, 900, options=heads.HeadOptions((900,), 0.5))
    head.output_weights.assign(tf.eye(900))
    head.hidden[0].kernel.assign(kernel)
    head.hidden[0].bias.assign(tf.fill([900], bias))
    vectors = tf.ones([1, 900])
    assert np.all(head(vectors).numpy() > 1)
    dropped = head(vectors, modeling.DropoutStream(5)).numpy()
    share = (dropped != 0).mean()
    assert abs(share - kept) < 5 * np.sqrt(kept * (1 - kept) / 900)

  @pytest.mark.parametrize("sizes", [(), (40, 30)])
  def test_logits_start_at_a_size_that_can_be_trained(self, sizes):
    head = heads.VectorClassifier(50, 3, 2, heads.HeadOptions(sizes))
    vectors = np.random.default_rng(1).normal(size=[200, 50]).astype(np.float32)
    assert 0.03 < head(vectors).numpy().std() < 0.5

  @pytest.mark.parametrize("dropout_prob", [-0.1, 1.0])
  def test_an_impossible_dropout_is_an_error(self, dropout_prob):
    message = f"--head_dropout={dropout_prob}: expected a number from 0 to less than 1"
    with pytest.raises(ValueError, match=message):
      heads.HeadOptions((), dropout_prob)


class TestSpanClassifier:
  def test_head_has_the_originals_names_and_shapes_after_the_encoder(self):
    """Contract A-44."""
    variables = checkpoint.named_variables(heads.SpanClassifier(tiny_config()))
    encoder = list(checkpoint.named_variables(modeling.BertModel(tiny_config())))
    head = ["cls/squad/output_weights", "cls/squad/output_bias"]
    assert list(variables) == [*encoder, *head]
    assert [tuple(variables[name].shape) for name in head] == [(2, 8), (2,)]

  def test_logits_are_a_linear_map_of_each_position(self):
    """Contract A-123."""
    model, features = heads.SpanClassifier(tiny_config(), seed=3), tiny_features()
    model.output_bias.assign([0.5, -2.0])
    start, end = model(features)
    outputs = model.bert(*features.values()).get_sequence_output().numpy()
    expected = outputs @ model.output_weights.numpy().T + [0.5, -2.0]
    np.testing.assert_allclose(start, expected[..., 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(end, expected[..., 1], rtol=1e-5, atol=1e-6)

  def test_the_head_itself_has_no_dropout(self):
    config = tiny_config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model, features = heads.SpanClassifier(config, seed=3), tiny_features()
    trained = model(features, modeling.DropoutStream(1))
    np.testing.assert_array_equal(trained, model(features))


class TestChoiceClassifier:
  SIZES = (3, 4, 5)  # rows, choices, positions

  def features(self):
    flat = tiny_features(12)
    features = {name: array.reshape(self.SIZES) for name, array in flat.items()}
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 0]], np.int32)
    return features | {"choice_mask": mask}

  def classifier(self, **changes):
    return heads.ChoiceClassifier(tiny_config(initializer_range=0.5, **changes), 1)

  def test_variables_are_those_of_a_classifier_of_one_class(self):
    expected, actual = (
      checkpoint.named_variables(head(tiny_config(), 1))
      for head in (heads.SentenceClassifier, heads.ChoiceClassifier)
    )
    assert list(actual) == list(expected)
    assert actual["output_weights"].shape == [1, 8]

  def test_each_choice_is_scored_alone(self):
    classifier, features = self.classifier(), self.features()
    expected = np.full([3, 4], -1e9, np.float32)
    for row, choice in np.argwhere(features["choice_mask"]):
      one = {
        name: features[name][row : row + 1, choice]
        for name in ("input_ids", "input_mask", "segment_ids")
      }
      expected[row, choice] = heads.SentenceClassifier.__call__(classifier, one)[0, 0]
    assert np.ptp(expected[0]) > 0.01
    np.testing.assert_allclose(classifier(features), expected, rtol=1e-4, atol=1e-5)

  def test_vectors_stand_in_for_texts(self):
    classifier, features = self.classifier(), self.features()
    flat = {
      name: array.reshape(12, 5)
      for name, array in features.items()
      if name != "choice_mask"
    }
    vectors = {
      "pooled_output": tf.reshape(classifier.encode(flat), [3, 4, 8]),
      "choice_mask": features["choice_mask"],
    }
    np.testing.assert_allclose(classifier(vectors), classifier(features), rtol=1e-5)

  def test_what_is_no_choice_has_no_gradient(self):
    classifier, features = self.classifier(), self.features()
    vectors = tf.random.stateless_normal([3, 4, 8], [1, 2])
    with tf.GradientTape() as tape:
      tape.watch(vectors)
      logits = classifier({**features, "pooled_output": vectors})
      loss = losses.cross_entropy(logits, tf.constant([3, 2, 1]))
    gradient = tape.gradient(loss, vectors).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(
      np.any(gradient, axis=2), features["choice_mask"].astype(bool)
    )

  def test_sizes_may_be_unknown_and_compiled(self):
    classifier, features = self.classifier(), self.features()
    expected = classifier(features)
    unknown = {
      name: tf.TensorSpec([None] * array.ndim, tf.int32)
      for name, array in features.items()
    }
    traced = tf.function(classifier, input_signature=[unknown])
    compiled = tf.function(classifier, jit_compile=True)
    for function in (traced, compiled):
      actual = function({name: tf.constant(array) for name, array in features.items()})
      np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
