"""Rows and vectors for baselines: which sets are scored, and what does not fit."""

import types

import numpy as np
import pytest

from bert_ja.baselines import baseline_data
from bert_ja.data import choice_features
from bert_ja.tasks import base, sentence

LABELS = ["dull", "fine", "good"]


def examples(texts, labels, split="train"):
  return [
    base.InputExample(f"{split}-{number}", text, None, label)
    for number, (text, label) in enumerate(zip(texts, labels, strict=True))
  ]


class TestVectors:
  @pytest.fixture
  def data(self):
    sizes = {"train": 48, "dev": 20, "test": 24}
    return baseline_data.Data(
      "sentence",
      sentence.Sentence(LABELS),
      {name: examples("a" * n, ["fine"] * n) for name, n in sizes.items()},
    )

  @pytest.fixture
  def vectors(self, data):
    draw = np.random.default_rng(1)
    return {
      name: draw.normal(size=[len(rows), 3]) for name, rows in data.examples.items()
    }

  def paths(self, directory, arrays):
    found = []
    for number, array in enumerate(arrays):
      found.append(str(directory / f"{number}.npy"))
      np.save(found[-1], array)
    return found

  def test_come_from_files(self, data, vectors, tmp_path):
    paths = self.paths(tmp_path, vectors.values())
    found = baseline_data.read_vectors(paths, data)
    assert list(found) == ["train", "dev", "test"]
    np.testing.assert_array_equal(found["test"], vectors["test"])

  def test_another_number_of_files(self, data):
    with pytest.raises(
      ValueError, match="2 files; expected 3, of the sets train, dev, test"
    ):
      baseline_data.read_vectors(["a.npy", "b.npy"], data)

  @pytest.mark.parametrize(
    ("split", "change", "message"),
    [
      ("dev", lambda v: v[1:], r"1\.npy has 19 rows, the dev set 20; make a vector"),
      ("test", lambda v: v[:, 1:], r"vectors of 2 numbers, those of .*0\.npy have 3"),
      ("dev", lambda v: v[:, 0], r"\[rows, size of a vector\], found float64 \[20\]"),
      ("train", lambda v: v.astype(str), r"expected numbers .* found <U.* \[48, 3\]"),
      ("train", lambda v: v / (np.arange(48) != 5)[:, None], "row 5 .* not finite"),
    ],
  )
  def test_wrong_arrays(self, data, vectors, tmp_path, split, change, message):
    with np.errstate(divide="ignore"):
      vectors[split] = change(vectors[split])
    paths = self.paths(tmp_path, vectors.values())
    with pytest.raises(ValueError, match=message):
      baseline_data.read_vectors(paths, data)

  @pytest.mark.parametrize(
    "write",
    [
      lambda path: path.write_text("0.5 0.5\n"),
      lambda path: path.write_bytes(b""),
      lambda path: np.save(path, np.array([[{}]]), allow_pickle=True),
    ],
  )
  def test_what_is_no_array_of_numbers(self, data, tmp_path, write):
    write(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"a\.npy is no whole \.npy file of numbers"):
      baseline_data.read_vectors([str(tmp_path / "a.npy")] * 3, data)

  def test_an_archive(self, data, tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros([48, 3]))
    with pytest.raises(ValueError, match="found several arrays"):
      baseline_data.read_vectors([str(tmp_path / "a.npz")] * 3, data)


class TestData:
  def processor(self, **sets):
    """A task of sets; an error in place of one is raised."""

    def reader(split):
      def read(data_dir):
        found = sets.get(split, FileNotFoundError(f"no {split} in {data_dir}"))
        if isinstance(found, Exception):
          raise found
        return examples(*found, split)

      return read

    return types.SimpleNamespace(
      kind=sets.get("kind", "sentence"),
      kind_options={},
      get_labels=lambda: LABELS,
      test_labels_are_known=sets.get("known", True),
      **{f"get_{split}_examples": reader(split) for split in ("train", "dev", "test")},
    )

  ROWS = (["a", "b"], ["dull", "good"])

  @pytest.mark.parametrize(
    ("sets", "scored"),
    [
      ({"dev": ROWS, "test": ROWS}, ["dev", "test"]),
      ({"test": ROWS}, ["test"]),
      ({"dev": NotImplementedError("none"), "test": ROWS}, ["test"]),
      ({"dev": ROWS, "test": ROWS, "known": False}, ["dev"]),
      ({"dev": ROWS, "test": (["a", "b"], ["dull", None])}, ["dev"]),
    ],
  )
  def test_sets_with_labels_are_scored(self, sets, scored):
    found = baseline_data.read(self.processor(train=self.ROWS, **sets), "d")
    assert found.scored == scored
    assert list(found.examples) == ["train", *scored]

  def test_nothing_to_score(self):
    with pytest.raises(ValueError, match="--data_dir=d has no dev or test set with"):
      baseline_data.read(self.processor(train=self.ROWS), "d")
    with pytest.raises(ValueError, match="--data_dir=d has no dev set with labels"):
      processor = self.processor(train=self.ROWS, test=self.ROWS)
      baseline_data.read(processor, "d", scored=["dev"])

  def test_what_is_not_to_be_scored_is_not_read(self):
    sets = {"dev": self.ROWS, "test": RuntimeError("read")}
    processor = self.processor(train=self.ROWS, **sets)
    assert baseline_data.read(processor, "d", scored=["dev"]).scored == ["dev"]

  def test_a_set_that_was_asked_for(self):
    processor = self.processor(train=self.ROWS, test=self.ROWS)
    with pytest.raises(FileNotFoundError, match="no dev in d"):
      baseline_data.read(processor, "d", required=["dev"])

  @pytest.mark.parametrize("kind", ["token", "multi_label"])
  def test_another_kind_of_task(self, kind):
    processor = self.processor(train=self.ROWS, dev=self.ROWS, kind=kind)
    message = f"the kinds sentence, choice, regression; this task's is {kind!r}, choose"
    with pytest.raises(ValueError, match=message):
      baseline_data.read(processor, "d")

  def test_numbers_are_scored_in_the_unit_of_the_train_set(self):
    sets = {"train": (["a", "b"], ["1", "5"]), "dev": (["a"], ["2"])}
    found = baseline_data.read(self.processor(kind="regression", **sets), "d")
    assert found.kind.learned == {"mean": 3, "deviation": 2}
    assert found.label_ids("dev").tolist() == [2]
    sets["dev"] = (["a"], ["many"])
    with pytest.raises(ValueError, match="dev-0: expected a number as label, found 'm"):
      baseline_data.read(self.processor(kind="regression", **sets), "d")

  def test_choices_are_pairs_of_the_text_and_one_of_them(self):
    rows = [
      choice_features.ChoiceExample("1", "who", ["a", "", "b"], 2),
      choice_features.ChoiceExample("2", "what", ["c"], 0),
    ]
    processor = self.processor(kind="choice")
    processor.get_train_examples = lambda data_dir: rows
    processor.get_dev_examples = lambda data_dir: rows[1:]
    found = baseline_data.read(processor, "d")
    assert found.kind.num_choices == 3
    assert found.columns() == {
      "train": [["who", "who", "what"], ["a", "b", "c"]],
      "dev": [["what"], ["c"]],
    }

  def test_a_label_that_is_not_known(self):
    processor = self.processor(train=self.ROWS, dev=(["a"], ["bad"]))
    with pytest.raises(ValueError, match="dev-0: label 'bad' is not one of 'dull'"):
      baseline_data.read(processor, "d")
