"""Texts to ids: the original's stored features, truncation, labels, cache."""

import functools
import json
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_ja import tokenization
from bert_ja.data import pair_features, records
from bert_ja.data.pair_features import InputExample, PaddingInputExample

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##d", "x", "y", "z"]
LABELS = ["no", "yes"]


@pytest.fixture
def tokenizer(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(VOCABULARY) + "\n")
  return tokenization.FullTokenizer(str(path))


@pytest.fixture
def logged(caplog):
  """Lines logged through absl."""
  caplog.set_level("INFO", logger="absl")
  return lambda: [record.getMessage() for record in caplog.records]


def examples(count, text_b=None):
  return [
    InputExample(f"train-{i}", "a b " * (i % 4) + "c", text_b, LABELS[i % 2])
    for i in range(count)
  ]


def convert(example, tokenizer, length=8):
  return pair_features.convert_single_example(9, example, LABELS, length, tokenizer)


class TestTruncatePair:
  @given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 20))
  def test_equals_taking_one_token_at_a_time(self, length_a, length_b, max_length):
    a, b = list(range(length_a)), list(range(length_b))
    expected_a, expected_b = list(a), list(b)
    while len(expected_a) + len(expected_b) > max_length:
      longer = expected_a if len(expected_a) > len(expected_b) else expected_b
      longer.pop()
    found = pair_features.truncate_pair(a, b, max_length)
    assert found == (expected_a, expected_b)

  def test_on_a_tie_b_loses_the_token(self):
    assert pair_features.truncate_pair("abc", "xyz", 5) == ("abc", "xy")


class TestPackPair:
  def test_a_single_text_is_segment_zero(self):
    packed = pair_features.pack_pair(["a", "b"])
    assert packed == (["[CLS]", "a", "b", "[SEP]"], [0, 0, 0, 0])

  def test_a_second_text_is_segment_one_with_its_separator(self):
    packed = pair_features.pack_pair(["a"], ["x", "y"])
    expected = ["[CLS]", "a", "[SEP]", "x", "y", "[SEP]"]
    assert packed == (expected, [0, 0, 0, 1, 1, 1])

  def test_an_empty_second_text_is_none(self):
    assert pair_features.pack_pair(["a"], []) == pair_features.pack_pair(["a"])


class TestConvertSingleExample:
  def test_a_short_text_is_padded_with_zeros(self, tokenizer):
    found = convert(InputExample("g", "a bd", None, "yes"), tokenizer)
    assert found == pair_features.InputFeatures(
      input_ids=[2, 4, 5, 7, 3, 0, 0, 0],
      input_mask=[1, 1, 1, 1, 1, 0, 0, 0],
      segment_ids=[0] * 8,
      label_id=1,
      is_real_example=True,
    )

  def test_a_long_text_is_cut_to_the_length_less_two(self, tokenizer):
    found = convert(InputExample("g", "a b c a b c a b c", None, "no"), tokenizer)
    assert found.input_ids == [2, 4, 5, 6, 4, 5, 6, 3]

  def test_a_long_pair_is_cut_to_the_length_less_three(self, tokenizer):
    example = InputExample("g", "a b c a b", "x y z x y", "no")
    found = convert(example, tokenizer)
    assert found.input_ids == [2, 4, 5, 6, 3, 8, 9, 3]
    assert found.segment_ids == [0, 0, 0, 0, 0, 1, 1, 1]

  @pytest.mark.parametrize("text_b", ["", "\u0000 ", None])
  def test_a_second_text_without_tokens_is_none(self, tokenizer, text_b):
    pair = convert(InputExample("g", "a", text_b, "no"), tokenizer)
    assert pair == convert(InputExample("g", "a", None, "no"), tokenizer)

  def test_padding_is_zero_and_not_real(self, tokenizer):
    found = convert(PaddingInputExample(), tokenizer)
    zeros = [0] * 8
    assert found == pair_features.InputFeatures(zeros, zeros, zeros, 0, False)

  def test_an_example_without_label_has_label_id_zero(self, tokenizer):
    assert convert(InputExample("g", "a"), tokenizer).label_id == 0

  def test_an_unknown_label_is_named_with_its_place(self, tokenizer):
    example = InputExample("g", "a", None, "maybe", source="dev.tsv, line 7")
    message = "dev.tsv, line 7: label 'maybe' is not one of 'no', 'yes'"
    with pytest.raises(ValueError, match=message):
      convert(example, tokenizer)

  def test_an_unknown_label_without_source_is_named_with_the_guid(self, tokenizer):
    with pytest.raises(ValueError, match="example dev-3: label 'maybe' is not one of"):
      convert(InputExample("dev-3", "a", None, "maybe"), tokenizer)

  def test_a_length_without_room_is_an_error(self, tokenizer):
    message = "--max_seq_length=2 leaves no room for a token .*; the least is 3"
    with pytest.raises(ValueError, match=message):
      convert(InputExample("g", "a"), tokenizer, length=2)

  def test_the_first_five_are_logged(self, tokenizer, logged):
    pair_features.convert_examples_to_features(examples(7), LABELS, 5, tokenizer)
    lines = logged()
    assert lines.count("*** Example ***") == 5
    start = lines.index("*** Example ***") + 7
    assert lines[start : start + 7] == [
      "*** Example ***",
      "guid: train-1",
      "tokens: [CLS] a b c [SEP]",
      "input_ids: 2 4 5 6 3",
      "input_mask: 1 1 1 1 1",
      "segment_ids: 0 0 0 0 0",
      "label: yes (id = 1)",
    ]
    assert "Writing example 0 of 7" in lines

  def test_the_originals_features(self):
    golden, vocabulary = (
      SHARED / "golden/classifier/features.json",
      SHARED / "data/vocab/uncased_en_30522.txt",
    )
    if not (golden.exists() and vocabulary.exists()):
      pytest.skip(f"{golden} or {vocabulary} is not there")
    stored = json.loads(golden.read_text(encoding="utf-8"))
    tokenizer = tokenization.FullTokenizer(str(vocabulary))
    assert stored["examples"]
    for row in stored["examples"]:
      example = InputExample(row["guid"], row["text_a"], row["text_b"], row["label"])
      found = pair_features.convert_single_example(
        9, example, stored["labels"], stored["max_seq_length"], tokenizer
      )
      for name in ("input_ids", "input_mask", "segment_ids", "label_id"):
        assert getattr(found, name) == row[name], (row["guid"], name)


class TestConvertExamplesToFeatures:
  def test_equals_one_by_one(self, tokenizer):
    rows = [*examples(5, "x y"), PaddingInputExample()]
    found = pair_features.convert_examples_to_features(rows, LABELS, 8, tokenizer)
    assert found == [convert(row, tokenizer) for row in rows]

  def test_workers_give_the_same_in_order(self, tokenizer, monkeypatch):
    rows = [*examples(50), PaddingInputExample()]
    here = pair_features.convert_examples_to_features(rows, LABELS, 8, tokenizer)
    by_workers = functools.partial(
      pair_features.parallel.ordered_map, workers=2, patience=0
    )
    monkeypatch.setattr(pair_features.parallel, "ordered_map", by_workers)
    there = pair_features.convert_examples_to_features(rows, LABELS, 8, tokenizer)
    assert there == here

  def test_progress_counts_to_the_number_of_examples(self, tokenizer):
    calls = []
    pair_features.convert_examples_to_features(
      examples(3), LABELS, 8, tokenizer, progress=lambda *done: calls.append(done)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]

  def test_a_wrong_label_is_told_before_the_work(self, tokenizer):
    rows = [*examples(3), InputExample("train-3", "a", None, "maybe")]
    calls = []
    with pytest.raises(ValueError, match="'maybe'"):
      pair_features.convert_examples_to_features(
        rows, LABELS, 8, tokenizer, progress=lambda *done: calls.append(done)
      )
    assert calls == []


class TestFileBasedConvert:
  def test_records_hold_what_conversion_in_memory_gives(self, tokenizer, tmp_path):
    rows = [*examples(3, "x"), PaddingInputExample()]
    path = str(tmp_path / "train.tf_record")
    pair_features.file_based_convert_examples_to_features(
      rows, LABELS, 8, tokenizer, path
    )
    found = records.read_records(path, pair_features.feature_spec(8))
    features = [convert(row, tokenizer) for row in rows]
    for name in ("input_ids", "input_mask", "segment_ids"):
      np.testing.assert_array_equal(found[name], [getattr(f, name) for f in features])
    np.testing.assert_array_equal(found["label_ids"], [0, 1, 0, 0])
    np.testing.assert_array_equal(found["is_real_example"], [1, 1, 1, 0])

  def test_every_number_of_a_record_is_int64(self, tokenizer, tmp_path):
    import tensorflow as tf

    path = str(tmp_path / "train.tf_record")
    pair_features.file_based_convert_examples_to_features(
      examples(1), LABELS, 8, tokenizer, path
    )
    [serialized] = [record.numpy() for record in tf.data.TFRecordDataset(path)]
    features = tf.train.Example.FromString(serialized).features.feature
    lengths = {name: len(features[name].int64_list.value) for name in features}
    assert lengths == {
      "input_ids": 8,
      "input_mask": 8,
      "segment_ids": 8,
      "label_ids": 1,
      "is_real_example": 1,
    }


class TestCachedFeatures:
  @pytest.fixture
  def run(self, tokenizer, tmp_path):
    def run(rows=None, labels=LABELS, length=8, tokenizer=tokenizer, **options):
      options.setdefault("output_file", str(tmp_path / "train.tf_record"))
      rows = examples(6) if rows is None else rows
      return pair_features.cached_features(rows, labels, length, tokenizer, **options)

    return run

  def test_a_second_equal_run_converts_nothing(self, run, tmp_path, logged):
    assert run()
    before = (tmp_path / "train.tf_record").read_bytes()
    assert not run()
    assert (tmp_path / "train.tf_record").read_bytes() == before
    assert f"6 examples were converted before: {tmp_path}/train.tf_record" in logged()
    assert logged().count("*** Example ***") == 10

  @pytest.mark.parametrize(
    "change",
    [
      {"rows": examples(5)},
      {"rows": [InputExample("train-0", "c", "", "no"), *examples(6)[1:]]},
      {"rows": [PaddingInputExample(), *examples(6)[1:]]},
      {"labels": ["yes", "no"]},
      {"length": 9},
    ],
    ids=["examples", "text_b", "padding", "labels", "length"],
  )
  def test_a_change_converts_again(self, run, change):
    run()
    assert run(**change)

  def test_another_label_converts_again(self, run):
    run()
    rows = examples(6)
    rows[0].label = "yes"
    assert run(rows=rows)

  def test_another_vocabulary_converts_again(self, run, tmp_path):
    run()
    path = tmp_path / "other.txt"
    path.write_text("\n".join([*VOCABULARY, "new"]))
    assert run(tokenizer=tokenization.FullTokenizer(str(path)))

  def test_names_of_examples_do_not_count(self, run):
    run()
    rows = examples(6)
    rows[0].guid = "other"
    assert not run(rows=rows)

  def test_records_of_another_program_are_not_taken(self, run, tmp_path):
    run()
    (tmp_path / "train.tf_record").write_bytes(b"other")
    assert run()

  def test_missing_records_are_made_again(self, run, tmp_path):
    run()
    (tmp_path / "train.tf_record").unlink()
    assert run()

  def test_a_stopped_conversion_leaves_no_key(self, run, tmp_path):
    run()

    def stop(done, total):
      raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
      run(length=9, progress=stop)
    assert not (tmp_path / "train.tf_record.key").exists()

  def test_rows_are_padded_with_the_vocabularys_padding(self, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\na\n")
    tokenizer = tokenization.FullTokenizer(str(path))
    examples = [InputExample("x", "a a", label="0"), PaddingInputExample()]
    first, padding = pair_features.convert_examples_to_features(
      examples, ["0"], 6, tokenizer
    )
    assert first.input_ids == [1, 4, 4, 2, 3, 3]
    assert first.input_mask == [1, 1, 1, 1, 0, 0]
    assert padding.input_ids == [0] * 6

  def test_a_cache_directory_serves_other_output_files(self, run, tmp_path):
    cache = str(tmp_path / "cache")
    first, second = str(tmp_path / "one"), str(tmp_path / "two")
    assert run(output_file=first, cache_dir=cache)
    assert not run(output_file=second, cache_dir=cache)
    with open(first, "rb") as one, open(second, "rb") as two:
      assert one.read() == two.read()
    assert not run(output_file=second)

  def test_a_tokenizer_without_fingerprint_is_never_cached(self, run, tmp_path):
    class Tokenizer(tokenization.Tokenizer):
      def tokenize(self, text):
        return ["[CLS]"] * len(text)

    tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2})
    assert run(tokenizer=tokenizer)
    assert run(tokenizer=tokenizer)
    assert not (tmp_path / "train.tf_record.key").exists()
