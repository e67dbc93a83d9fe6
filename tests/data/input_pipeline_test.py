"""Order, padding and shares of batches.

Sizes: R=11 rows, S=21 positions, B=4 rows a batch.
"""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from bert_ja.data import input_pipeline, labels, pair_features, records

WINDOW = 64


def random_lengths(num_rows, seed=0, longest=50):
  return np.random.default_rng(seed).integers(1, longest, num_rows)


def tiny_arrays(lengths=(3, 21, 5, 16, 2, 9, 9, 1, 17, 8, 12), seq_length=21):
  lengths = np.array(lengths)
  rng = np.random.default_rng(3)
  real = np.arange(seq_length) < lengths[:, np.newaxis]
  return {
    "input_ids": np.where(real, rng.integers(1, 37, real.shape), 0).astype(np.int32),
    "input_mask": real.astype(np.int32),
    "segment_ids": np.where(real, rng.integers(0, 2, real.shape), 0).astype(np.int32),
    "label_ids": rng.integers(1, 5, len(lengths)).astype(np.int32),
    "weights": rng.normal(size=len(lengths)).astype(np.float32),
  }


def batches(is_training, arrays=None, seq_length=21, options=None, **params):
  """[{name: array}] of the input_fn over arrays."""
  input_fn = input_pipeline.array_input_fn_builder(
    tiny_arrays() if arrays is None else arrays,
    seq_length,
    is_training,
    options or input_pipeline.BatchOptions(),
  )
  return list(input_fn({"batch_size": 4, **params}).as_numpy_iterator())


training_cases = hypothesis.given(
  num_rows=st.integers(1, 40),
  batch_size=st.integers(1, 9),
  seed=st.integers(0, 2**31),
  steps=st.tuples(st.integers(0, 150), st.integers(0, 150)),
)
quickly = hypothesis.settings(max_examples=40, deadline=None)


class TestTrainingRows:
  @quickly
  @training_cases
  def test_every_row_comes_once_an_epoch(self, num_rows, batch_size, seed, steps):
    lengths = random_lengths(num_rows)
    rows = input_pipeline.training_rows(lengths, batch_size, seed, 0, max(steps))
    assert rows.shape == (max(steps), batch_size)
    flat = rows.reshape(-1)
    epochs = flat[: len(flat) // num_rows * num_rows].reshape(-1, num_rows)
    every = np.tile(np.arange(num_rows), [len(epochs), 1])
    np.testing.assert_array_equal(np.sort(epochs, axis=1), every)
    rest = flat[epochs.size :]
    assert len(set(rest)) == len(rest)

  @pytest.mark.parametrize("bucketed", [False, True], ids=["plain", "bucketed"])
  def test_a_step_does_not_depend_on_where_the_run_began(self, bucketed):
    @quickly
    @training_cases
    def check(num_rows, batch_size, seed, steps):
      start, stop = sorted(steps)
      lengths = random_lengths(num_rows)
      whole, part = (
        input_pipeline.training_rows(lengths, batch_size, seed, first, stop, bucketed)
        for first in (0, start)
      )
      assert part.shape == (stop - start, batch_size)
      np.testing.assert_array_equal(whole[start:], part)

    check()

  @pytest.mark.parametrize("bucketed", [False, True], ids=["plain", "bucketed"])
  def test_a_step_does_not_depend_on_where_the_run_ends(self, bucketed):
    lengths = random_lengths(23)
    short, long = (
      input_pipeline.training_rows(lengths, 4, 7, 0, stop, bucketed)
      for stop in (70, 300)
    )
    np.testing.assert_array_equal(short, long[:70])

  @quickly
  @training_cases
  def test_buckets_only_permute_within_a_window(
    self, num_rows, batch_size, seed, steps
  ):
    stop = -(-max(steps) // WINDOW) * WINDOW
    lengths = random_lengths(num_rows)
    plain, bucketed = (
      input_pipeline.training_rows(lengths, batch_size, seed, 0, stop, bucket)
      for bucket in (False, True)
    )
    for first in range(0, stop, WINDOW):
      window = slice(first, first + WINDOW)
      np.testing.assert_array_equal(
        np.sort(plain[window], axis=None), np.sort(bucketed[window], axis=None)
      )

  def test_buckets_reduce_padding(self):
    lengths = random_lengths(500, longest=128)
    padding = []
    for bucket in (False, True):
      rows = input_pipeline.training_rows(lengths, 16, 1, 0, 2 * WINDOW, bucket)
      longest = lengths[rows].max(axis=1, keepdims=True)
      padding.append((longest - lengths[rows]).sum())
    assert padding[1] < 0.1 * padding[0]

  def test_buckets_do_not_go_from_short_to_long(self):
    lengths = random_lengths(500, longest=128)
    rows = input_pipeline.training_rows(lengths, 16, 1, 0, WINDOW, True)
    longest = lengths[rows].max(axis=1).astype(float)
    assert abs(np.corrcoef(longest, np.arange(WINDOW))[0, 1]) < 0.4

  @pytest.mark.parametrize("bucketed", [False, True], ids=["plain", "bucketed"])
  def test_another_seed_gives_another_order(self, bucketed):
    lengths = random_lengths(23)
    first, same, other = (
      input_pipeline.training_rows(lengths, 4, seed, 0, 20, bucketed)
      for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert np.mean(first == other) < 0.3

  def test_another_epoch_has_another_order(self):
    rows = input_pipeline.training_rows(random_lengths(24), 4, 1, 0, 12)
    assert np.any(rows[:6] != rows[6:])

  @pytest.mark.parametrize("bucketed", [False, True], ids=["plain", "bucketed"])
  def test_no_step_is_left_after_the_last(self, bucketed):
    for step in (0, 5, WINDOW):
      rows = input_pipeline.training_rows(random_lengths(9), 4, 1, step, step, bucketed)
      assert rows.shape == (0, 4)


class TestRowLengths:
  def test_counts_up_to_the_last_real_position(self):
    mask = np.int32([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert input_pipeline.row_lengths(mask).tolist() == [2, 3, 0, 4]

  def test_takes_the_longest_choice_of_a_row(self):
    mask = np.int32([[[1, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 0, 0]]])
    assert input_pipeline.row_lengths(mask).tolist() == [2, 3]


class TestEvaluationRows:
  @hypothesis.given(st.integers(1, 40), st.integers(1, 9))
  @quickly
  def test_every_row_comes_once_longest_first(self, num_rows, batch_size):
    lengths = random_lengths(num_rows)
    rows = input_pipeline.evaluation_rows(lengths, batch_size)
    assert rows.shape == (-(-num_rows // batch_size), batch_size)
    flat = rows.reshape(-1)
    assert sorted(flat[:num_rows]) == list(range(num_rows))
    assert np.all(flat[num_rows:] == -1)
    assert np.all(np.diff(lengths[flat[:num_rows]]) <= 0)


class TestBatchLengths:
  @pytest.mark.parametrize(
    ("lengths", "expected"),
    [
      ([1, 3], 8),
      ([8, 2], 8),
      ([9, 2], 16),
      ([17, 1], 21),
      ([21, 21], 21),
      ([0, 0], 8),
    ],
  )
  def test_is_the_longest_rounded_up_to_8_and_never_above_s(self, lengths, expected):
    cut = input_pipeline.batch_lengths(np.array(lengths), np.array([[0, 1]]), 21)
    assert cut.tolist() == [expected]

  @pytest.mark.parametrize("seq_length", [128, 129, 384, 512])
  def test_there_are_at_most_sixteen(self, seq_length):
    lengths = np.arange(1, seq_length + 1)
    rows = np.arange(seq_length)[:, None]
    cuts = input_pipeline.batch_lengths(lengths, rows, seq_length)
    assert 9 <= len(set(cuts.tolist())) <= 16
    assert (cuts >= lengths).all()
    assert cuts.max() == seq_length

  def test_padding_rows_have_no_length(self):
    rows = np.array([[0, -1], [-1, -1]])
    assert input_pipeline.batch_lengths(np.array([3, 20]), rows, 24).tolist() == [8, 8]


class TestArrayInputFn:
  def test_training_batches_hold_the_rows_they_name(self):
    arrays = tiny_arrays()
    made = batches(True, arrays, max_steps=7)
    assert len(made) == 7
    for batch in made:
      rows = batch["row_ids"]
      width = batch["input_ids"].shape[1]
      for name, array in arrays.items():
        expected = array[rows][:, :width] if array.ndim > 1 else array[rows]
        np.testing.assert_array_equal(batch[name], expected)
        assert batch[name].dtype == array.dtype

  def test_training_starts_at_the_step_it_is_given(self):
    whole = batches(True, max_steps=9, seed=5)
    rest = batches(True, max_steps=9, seed=5, start_step=6)
    assert len(rest) == 3
    for expected, batch in zip(whole[6:], rest, strict=True):
      np.testing.assert_array_equal(batch["row_ids"], expected["row_ids"])
      np.testing.assert_array_equal(batch["input_ids"], expected["input_ids"])

  def test_training_that_is_done_has_no_batch(self):
    assert batches(True, max_steps=9, start_step=9) == []

  def test_nothing_real_is_cut_and_little_padding_is_left(self):
    for batch in batches(True, max_steps=30):
      longest = batch["input_mask"].sum(axis=1).max()
      assert batch["input_ids"].shape[1] == min(21, -(-longest // 8) * 8)

  def test_row_ids_restore_the_order_of_the_input(self):
    arrays = tiny_arrays()
    made = batches(False, arrays)
    rows = np.concatenate([batch["row_ids"] for batch in made])
    labels = np.concatenate([batch["label_ids"] for batch in made])
    real = rows >= 0
    restored = np.zeros(11, np.int32)
    restored[rows[real]] = labels[real]
    np.testing.assert_array_equal(restored, arrays["label_ids"])

  def test_padding_rows_are_zero(self):
    last = batches(False)[-1]
    assert last["row_ids"].tolist().count(-1) == 1
    for name, value in last.items():
      if name != "row_ids":
        np.testing.assert_array_equal(value[-1], np.zeros_like(value[-1]))
        assert np.any(value[0])

  def test_every_choice_of_a_row_is_cut_alike(self):
    mask = np.zeros([3, 2, 21], np.int32)
    mask[:, :, 0] = 1
    mask[1, 1, :10] = 1
    arrays = {"input_mask": mask, "label_ids": np.int32([1, 0, 1])}
    (batch,) = batches(False, arrays)
    assert batch["input_mask"].shape == (4, 2, 16)

  @pytest.mark.parametrize("is_training", [False, True])
  def test_full_length_gives_static_shapes(self, is_training):
    input_fn = input_pipeline.array_input_fn_builder(
      tiny_arrays(),
      21,
      is_training,
      input_pipeline.BatchOptions(pad_to_max_length=True),
    )
    dataset = input_fn({"batch_size": 4, "max_steps": 3})
    shapes = {name: spec.shape for name, spec in dataset.element_spec.items()}
    assert shapes == {
      "input_ids": [4, 21],
      "input_mask": [4, 21],
      "segment_ids": [4, 21],
      "label_ids": [4],
      "weights": [4],
      "row_ids": [4],
    }
    assert len(list(dataset)) == 3

  def test_buckets_take_rows_of_like_length(self):
    lengths = random_lengths(300, longest=22)
    widths = []
    for bucket in (False, True):
      options = input_pipeline.BatchOptions(bucket_by_length=bucket)
      made = batches(True, tiny_arrays(lengths), options=options, max_steps=WINDOW)
      widths.append(sum(batch["input_ids"].shape[1] for batch in made))
    assert widths[1] < 0.8 * widths[0]

  @pytest.mark.parametrize("is_training", [False, True])
  def test_shares_of_two_pipelines_together_are_the_whole_batch(self, is_training):
    def share(pipelines, number):
      context = tf.distribute.InputContext(pipelines, number, num_replicas_in_sync=4)
      return batches(
        is_training, batch_size=2, max_steps=5, seed=3, input_context=context
      )

    whole, first, second = share(1, 0), share(2, 0), share(2, 1)
    assert len(first) == len(second) == len(whole) // 2
    # Two dictionaries a step in each share, four in the whole, in order of replicas.
    together = []
    for step in range(0, len(first), 2):
      together += first[step : step + 2] + second[step : step + 2]
    for expected, batch in zip(whole, together, strict=True):
      assert set(batch) == set(expected)
      for name, value in batch.items():
        np.testing.assert_array_equal(value, expected[name])

  def test_replicas_share_the_batch_of_one_device(self):
    context = tf.distribute.InputContext(num_replicas_in_sync=2)
    shared = batches(True, batch_size=2, max_steps=5, input_context=context)
    whole = batches(True, batch_size=4, max_steps=5)
    rows = np.array([batch["row_ids"] for batch in shared]).reshape(5, 4)
    np.testing.assert_array_equal(rows, [batch["row_ids"] for batch in whole])
    widths = [batch["input_ids"].shape[1] for batch in shared]
    assert widths == [b["input_ids"].shape[1] for b in whole for _ in range(2)]

  def test_knows_its_number_of_rows(self):
    input_fn = input_pipeline.array_input_fn_builder(tiny_arrays(), 21, True)
    assert input_fn.num_rows == 11

  def test_no_examples_raise(self):
    with pytest.raises(ValueError, match="the input has no examples"):
      batches(True, tiny_arrays(lengths=np.zeros([0], int)), max_steps=1)


class TestInputFnBuilder:
  def features(self):
    arrays = tiny_arrays()
    return [
      pair_features.InputFeatures(
        input_ids=arrays["input_ids"][row].tolist(),
        input_mask=arrays["input_mask"][row].tolist(),
        segment_ids=arrays["segment_ids"][row].tolist(),
        label_id=int(arrays["label_ids"][row]),
        is_real_example=row != 2,
      )
      for row in range(11)
    ]

  def test_gives_the_batches_of_the_arrays(self):
    input_fn = input_pipeline.input_fn_builder(self.features(), 21, is_training=False)
    made = list(input_fn({"batch_size": 4}).as_numpy_iterator())
    for batch, expected in zip(made, batches(False), strict=True):
      for name in ("row_ids", "input_ids", "input_mask", "segment_ids", "label_ids"):
        np.testing.assert_array_equal(batch[name], expected[name])
      unreal = np.isin(batch["row_ids"], [2, -1])
      np.testing.assert_array_equal(batch["is_real_example"], ~unreal)

  @pytest.mark.parametrize("label", [3.75, [0.0, 1.0] * 10 + [1.0]])
  def test_labels_that_are_numbers_stay_whole(self, label):
    rows = [
      pair_features.InputFeatures(
        [7] * 5 + [0] * 16, [1] * 5 + [0] * 16, [0] * 21, label
      )
    ]
    input_fn = input_pipeline.input_fn_builder(rows, 21, is_training=False)
    (batch,) = input_fn({"batch_size": 1}).as_numpy_iterator()
    assert batch["input_ids"].shape == (1, 8)
    np.testing.assert_array_equal(batch["label_ids"], np.float32([label]))

  def test_no_examples_raise(self):
    with pytest.raises(ValueError, match="the input has no examples"):
      input_pipeline.input_fn_builder([], 21, is_training=True)


class TestFileBasedInputFnBuilder:
  def write(self, path, num_rows):
    arrays = tiny_arrays()
    arrays["is_real_example"] = np.ones([11], np.int32)
    names = pair_features.feature_spec(21)
    encoded = [
      records.encode_example({n: np.atleast_1d(arrays[n][row]) for n in names})
      for row in range(num_rows)
    ]
    records.write_records(str(path), encoded)
    return str(path)

  def test_gives_the_batches_of_the_arrays(self, tmp_path):
    file = self.write(tmp_path / "eval.tf_record", 11)
    input_fn = input_pipeline.file_based_input_fn_builder(file, 21, is_training=False)
    made = list(input_fn({"batch_size": 4}).as_numpy_iterator())
    for batch, expected in zip(made, batches(False), strict=True):
      for name in ("row_ids", "input_ids", "input_mask", "segment_ids", "label_ids"):
        np.testing.assert_array_equal(batch[name], expected[name])

  def test_as_many_classes_as_positions_are_not_cut(self, tmp_path):
    sets = labels.ClassSets([f"class {index}" for index in range(21)])
    spec = pair_features.feature_spec(21, sets)
    ones = {name: np.ones([21], np.int64) for name in spec} | {"is_real_example": [1]}
    ones["input_mask"] = [1] * 5 + [0] * 16
    ones["label_ids"] = [1.0] * 21
    file = str(tmp_path / "eval.tf_record")
    records.write_records(file, [records.encode_example(ones)])
    input_fn = input_pipeline.file_based_input_fn_builder(file, 21, False, spec=spec)
    (batch,) = input_fn({"batch_size": 1})
    assert batch["input_ids"].shape == (1, 8)
    assert batch["label_ids"].shape == (1, 21)

  def test_training_repeats_and_shuffles_the_records(self, tmp_path):
    file = self.write(tmp_path / "train.tf_record", 5)
    input_fn = input_pipeline.file_based_input_fn_builder(file, 21, is_training=True)
    made = list(input_fn({"batch_size": 2, "max_steps": 10, "seed": 1}))
    rows = np.array([batch["row_ids"] for batch in made]).reshape(4, 5)
    assert np.all(np.sort(rows) == np.arange(5))
    assert np.any(rows != np.arange(5))

  def test_no_records_raise(self, tmp_path):
    file = self.write(tmp_path / "empty.tf_record", 0)
    with pytest.raises(ValueError, match="no examples|no record"):
      input_pipeline.file_based_input_fn_builder(file, 21, is_training=True)
