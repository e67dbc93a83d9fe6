"""Flags of a training: defaults, step counts, and the objects they fill."""

import numpy as np
import pytest
from absl import flags

from bert_ja import run_config
from bert_ja.flags import training_flags


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-7, A-8, A-50, A-55."""
    assert own_values(training_flags) == {
      "train_batch_size": 32,
      "eval_batch_size": 8,
      "predict_batch_size": 8,
      "gradient_accumulation_steps": 1,
      "learning_rate": 5e-5,
      "num_train_epochs": 3.0,
      "warmup_proportion": 0.1,
      "lr_schedule": "linear",
      "weight_decay_rate": 0.01,
      "adam_epsilon": 1e-6,
      "bias_correction": False,
      "layerwise_lr_decay": 1.0,
      "trainable": "all",
      "frozen_variables": None,
      "save_checkpoints_steps": 1000,
      "keep_checkpoint_max": 5,
      "iterations_per_loop": 1000,
      "eval_steps": 0,
      "best_metric": "eval_accuracy",
      "early_stopping_patience": 0,
      "use_best": False,
      "seed": 12345,
      "xla": False,
    }

  @pytest.mark.parametrize(
    "argument",
    [
      "train_batch_size=0",
      "eval_batch_size=0",
      "predict_batch_size=0",
      "gradient_accumulation_steps=0",
      "learning_rate=-1",
      "num_train_epochs=-1",
      "warmup_proportion=1.1",
      "layerwise_lr_decay=1.1",
      "lr_schedule=cosine",
      "save_checkpoints_steps=0",
      "iterations_per_loop=0",
      "keep_checkpoint_max=-1",
      "seed=-1",
    ],
  )
  def test_an_impossible_value_is_named(self, parse, argument):
    with pytest.raises(flags.IllegalFlagValueError, match=f"flag --{argument}"):
      parse(f"--{argument}")


class TestNumTrainSteps:
  @pytest.mark.parametrize(
    ("num_examples", "batch_size", "epochs", "steps"),
    [
      (3668, 32, "3", 343),  # MRPC, contract A-176
      (10, 4, "1", 2),
      (7, 2, "0.5", 1),
      (3, 8, "3", 1),
    ],
  )
  def test_rounded_down_over_all_epochs(
    self, parse, num_examples, batch_size, epochs, steps
  ):
    """Contract A-65."""
    flag_values = parse(
      "--do_train", f"--train_batch_size={batch_size}", f"--num_train_epochs={epochs}"
    )
    assert training_flags.num_train_steps(num_examples, flag_values) == steps

  def test_0_without_training(self, parse):
    assert training_flags.num_train_steps(0, parse()) == 0

  @pytest.mark.parametrize(
    ("num_examples", "epochs", "text"),
    [(3, "1.5", "1.5"), (0, "3", "3"), (9, "0", "0")],
  )
  def test_no_step_at_all_is_an_error(self, parse, num_examples, epochs, text):
    flag_values = parse(
      "--do_train", "--train_batch_size=8", f"--num_train_epochs={epochs}"
    )
    message = (
      f"{num_examples} training examples, --train_batch_size=8 and --num_train_epochs="
      f"{text} make no step; lower the batch size or raise the epochs"
    )
    with pytest.raises(ValueError, match=message):
      training_flags.num_train_steps(num_examples, flag_values)


class TestSetEvalSteps:
  def _set(self, parse, epochs, *arguments):
    flag_values = parse("--train_batch_size=8", *arguments)
    flags.DEFINE_float(
      "eval_epochs", epochs, "As run_classifier has it.", None, None, flag_values
    )
    flag_values(["script"])
    training_flags.set_eval_steps(36, flag_values)
    return flag_values.eval_steps

  @pytest.mark.parametrize(
    ("epochs", "steps"), [(1, 4.5), (2, 9), (0.5, 2.25), (0.01, 1), (0, 0)]
  )
  def test_steps_of_epochs_at_least_one(self, parse, epochs, steps):
    assert self._set(parse, epochs) == steps

  def test_without_epochs_the_steps_stay(self, parse):
    assert self._set(parse, 0, "--eval_steps=7") == 7

  def test_both_are_an_error(self, parse):
    message = "--eval_epochs and --eval_steps exclude each other"
    with pytest.raises(ValueError, match=message):
      self._set(parse, 1, "--eval_steps=7")


class TestRunConfig:
  def test_each_flag_fills_its_field(self, parse):
    flag_values = parse(
      "--output_dir=out",
      "--save_checkpoints_steps=2",
      "--iterations_per_loop=3",
      "--keep_checkpoint_max=4",
      "--eval_steps=5",
      "--best_metric=eval_loss",
      "--early_stopping_patience=6",
      "--seed=7",
      "--gradient_accumulation_steps=8",
      "--xla",
    )
    assert training_flags.run_config(flag_values) == run_config.RunConfig(
      model_dir="out",
      save_checkpoints_steps=2,
      iterations_per_loop=3,
      keep_checkpoint_max=4,
      eval_steps=5,
      best_metric="eval_loss",
      early_stopping_patience=6,
      seed=7,
      gradient_accumulation_steps=8,
      jit_compile=True,
    )

  def test_patience_needs_evaluations(self, parse):
    message = "--early_stopping_patience needs --eval_steps"
    with pytest.raises(ValueError, match=message):
      training_flags.run_config(parse("--early_stopping_patience=2"))


class TestCreateOptimizer:
  def _create(self, parse, *arguments, num_train_steps=10, num_warmup_steps=4):
    return training_flags.create_optimizer(
      num_train_steps, num_warmup_steps, 2, parse(*arguments)
    )

  def _rates(self, optimizer, steps):
    rates = []
    for step in steps:
      optimizer.global_step.assign(step)
      rates.append(float(optimizer.rate()))
    return rates

  def test_by_default_it_is_the_originals(self, parse):
    optimizer = self._create(parse)
    settings = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    assert settings == (0.9, 0.999, 1e-6)
    assert (optimizer.weight_decay_rate, optimizer.clip_norm) == (0.01, 1.0)
    assert not optimizer.bias_correction
    assert optimizer.rate_multiplier("bert/embeddings/word_embeddings") == 1.0
    assert optimizer.loss_scale is None

  def test_the_rate_warms_up_and_decays(self, parse):
    """Contract A-62, A-63."""
    rates = self._rates(self._create(parse, "--learning_rate=0.8"), [0, 2, 4, 9, 10])
    np.testing.assert_allclose(rates, [0, 0.4, 0.48, 0.08, 0], rtol=1e-6)

  def test_the_rate_can_stay_after_the_warm_up(self, parse):
    optimizer = self._create(parse, "--learning_rate=0.8", "--lr_schedule=constant")
    rates = self._rates(optimizer, [2, 4, 9])
    np.testing.assert_allclose(rates, [0.4, 0.8, 0.8], rtol=1e-6)

  def test_settings_of_adam(self, parse):
    optimizer = self._create(
      parse, "--weight_decay_rate=0.2", "--adam_epsilon=1e-8", "--bias_correction"
    )
    assert (optimizer.weight_decay_rate, optimizer.epsilon) == (0.2, 1e-8)
    assert optimizer.bias_correction

  def test_lower_layers_can_learn_more_slowly(self, parse):
    multiplier = self._create(parse, "--layerwise_lr_decay=0.5").rate_multiplier
    factors = [
      multiplier("output_weights"),
      multiplier("bert/encoder/layer_1/output/dense/kernel"),
      multiplier("bert/encoder/layer_0/output/dense/kernel"),
      multiplier("bert/embeddings/word_embeddings"),
    ]
    assert factors == [1.0, 0.5, 0.25, 0.125]

  @pytest.mark.parametrize(
    ("precision", "scaled"),
    [("float32", False), ("bfloat16", False), ("float16", True)],
  )
  def test_only_float16_scales_the_loss(self, parse, precision, scaled):
    optimizer = self._create(parse, f"--precision={precision}")
    assert (optimizer.loss_scale is not None) == scaled


_NAMES = (
  "bert/embeddings/word_embeddings",
  "bert/encoder/layer_0/output/dense/bias",
  "bert/encoder/layer_1/output/dense/bias",
  "bert/encoder/layer_11/output/dense/bias",
  "bert/pooler/dense/kernel",
  "mlp/hidden_0/kernel",
  "cls/predictions/output_bias",
  "output_weights",
)


class TestTrainable:
  def _trained(self, parse, *arguments):
    chooses = training_flags.trainable(12, parse(*arguments))
    return [index for index, name in enumerate(_NAMES) if chooses(name)]

  @pytest.mark.parametrize(
    ("arguments", "trained"),
    [
      ((), [0, 1, 2, 3, 4, 5, 6, 7]),
      (("--frozen_variables=",), [0, 1, 2, 3, 4, 5, 6, 7]),
      (("--trainable=all",), [0, 1, 2, 3, 4, 5, 6, 7]),
      (("--trainable=head",), [5, 6, 7]),
      (("--trainable=last_layer",), [3, 4, 5, 6, 7]),
      (("--trainable=last_1",), [3, 4, 5, 6, 7]),
      (("--trainable=last_10",), [3, 4, 5, 6, 7]),
      (("--trainable=last_11",), [2, 3, 4, 5, 6, 7]),
      (("--trainable=last_12",), [1, 2, 3, 4, 5, 6, 7]),
      (("--trainable=pooler|^output_",), [4, 7]),
      (("--frozen_variables=embeddings|layer_0/",), [2, 3, 4, 5, 6, 7]),
      (("--trainable=last_11", "--frozen_variables=layer_11|pooler"), [2, 5, 6, 7]),
      (("--trainable=/nothing/",), []),
    ],
  )
  def test_names_that_are_trained(self, parse, arguments, trained):
    assert self._trained(parse, *arguments) == trained

  @pytest.mark.parametrize("word", ["al", "last", "heads", "last_one", "output_bias"])
  def test_a_word_that_is_not_known_is_no_expression(self, parse, word):
    message = f"--trainable={word}: expected all, head, last_layer, .* such as /pooler/"
    with pytest.raises(ValueError, match=message):
      self._trained(parse, f"--trainable={word}")

  @pytest.mark.parametrize("count", [0, 13])
  def test_more_layers_than_there_are_is_an_error(self, parse, count):
    message = (
      f"--trainable=last_{count}: the model has 12 layers, so that last_1 to last_12 are "
      "possible; head trains none of them"
    )
    with pytest.raises(ValueError, match=message):
      self._trained(parse, f"--trainable=last_{count}")

  @pytest.mark.parametrize("flag", ["trainable", "frozen_variables"])
  def test_anything_else_than_an_expression_is_told(self, parse, flag):
    message = rf"--{flag}=layer_\(0 is no regular expression: missing \)"
    with pytest.raises(ValueError, match=message):
      self._trained(parse, f"--{flag}=layer_(0")
