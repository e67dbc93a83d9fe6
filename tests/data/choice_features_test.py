"""Choices of a row to rows of ids: by hand, and bad rows."""

import pytest

from bert_ja import tokenization
from bert_ja.data import choice_features, input_pipeline, records
from bert_ja.data.choice_features import ChoiceExample

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"]
PLACES = choice_features.Places([])
ROW = ChoiceExample("1", "a b", ["c", "a a a"], 1, "x.jsonl, line 1")


@pytest.fixture
def tokenizer(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(VOCABULARY) + "\n")
  return tokenization.FullTokenizer(str(path))


def converted(tokenizer, tmp_path, *examples, num_choices=3, length=7):
  path = str(tmp_path / "x.tf_record")
  arguments = (PLACES, num_choices, length, tokenizer, path)
  assert choice_features.cached_features(examples, *arguments)
  spec = choice_features.feature_spec(length, num_choices)
  return {
    name: array.tolist() for name, array in records.read_records(path, spec).items()
  }


class TestCachedFeatures:
  def test_each_choice_stands_behind_the_text_and_the_rest_is_masked(
    self, tokenizer, tmp_path
  ):
    assert converted(tokenizer, tmp_path, ROW) == {
      "input_ids": [[[2, 4, 5, 3, 6, 3, 0], [2, 4, 5, 3, 4, 4, 3], [0] * 7]],
      "input_mask": [[[1] * 6 + [0], [1] * 7, [0] * 7]],
      "segment_ids": [[[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1], [0] * 7]],
      "choice_mask": [[1, 1, 0]],
      "label_ids": [1],
      "is_real_example": [1],
    }

  def test_an_empty_choice_keeps_its_place(self, tokenizer, tmp_path):
    row = ChoiceExample("1", "a", ["", "b"], 1)
    found = converted(tokenizer, tmp_path, row)
    assert found["choice_mask"] == [[0, 1, 0]]
    assert found["input_ids"][0][1] == [2, 4, 3, 5, 3, 0, 0]
    assert found["label_ids"] == [1]

  def test_an_empty_text_has_no_pieces(self, tokenizer, tmp_path):
    found = converted(tokenizer, tmp_path, ChoiceExample("1", "", ["b"]))
    assert found["input_ids"][0][0] == [2, 3, 5, 3, 0, 0, 0]
    assert found["label_ids"] == [0]

  def test_it_is_done_once_for_the_same_rows_and_sizes(self, tokenizer, tmp_path):
    def convert(row, num_choices=3, length=7):
      return choice_features.cached_features(
        [row], PLACES, num_choices, length, tokenizer, str(tmp_path / "x.tf_record")
      )

    assert convert(ROW)
    assert not convert(ROW)
    assert convert(ROW, num_choices=4)
    assert convert(ROW, length=8)
    assert convert(ChoiceExample("1", "a b", ["c", "a a a"], 0))
    # The same texts, one after the other.
    assert convert(ChoiceExample("1", "a b", ["c a a a"], 0))

  def test_progress_counts_rows(self, tokenizer, tmp_path):
    calls = []
    choice_features.cached_features(
      [ROW, ROW],
      *(PLACES, 2, 7, tokenizer, str(tmp_path / "x.tf_record")),
      progress=lambda *numbers: calls.append(numbers),
    )
    assert calls == [(1, 2), (2, 2)]

  def test_a_length_without_room_is_told(self, tokenizer, tmp_path):
    with pytest.raises(ValueError, match="--max_seq_length=2 leaves no room"):
      converted(tokenizer, tmp_path, ROW, length=2)


def test_batches_are_cut_to_the_longest_choice_and_keep_all_places(tokenizer, tmp_path):
  # As many choices as positions: the mask of choices is not cut with the texts.
  converted(tokenizer, tmp_path, ROW, num_choices=16, length=16)
  input_fn = input_pipeline.file_based_input_fn_builder(
    str(tmp_path / "x.tf_record"),
    16,
    is_training=False,
    spec=choice_features.feature_spec(16, 16),
  )
  (batch,) = input_fn({"batch_size": 2})
  assert batch["input_ids"].shape == [2, 16, 8]
  assert batch["choice_mask"].numpy().tolist() == [[1, 1] + [0] * 14, [0] * 16]


class TestCheck:
  def check(self, choices, label=None):
    row = ChoiceExample("1", "a", choices, label, "dev.jsonl, line 5")
    choice_features.check([ROW, row], PLACES, 3)

  def test_rows_may_lack_a_label_and_choices(self):
    self.check(["", "b", ""])

  @pytest.mark.parametrize(
    ("choices", "label", "message"),
    [
      ([], None, "there are no choices; expected at least one"),
      (["", ""], None, "all 2 choices are empty; expected a text"),
      (["a"] * 4, 1, "4 choices, more than the 3 .* give --num_choices=4"),
      (["a", "b"], 2, "label 2 is outside the range of 2 choices; expected 0 to 1"),
      (["a", "b"], -1, "label -1 is outside the range"),
      (["a", ""], 1, "label 1 is the place of an empty choice"),
    ],
  )
  def test_bad_rows_are_named(self, choices, label, message):
    with pytest.raises(ValueError, match=f"^dev.jsonl, line 5: {message}"):
      self.check(choices, label)
