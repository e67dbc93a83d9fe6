"""Documents to instances: the original's records, a plain oracle, words, masks later."""

import gzip
import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain_pretraining
from bert_ja import front_ends, tokenization
from bert_ja.data import (
  pretraining_documents,
  pretraining_draws,
  pretraining_instances,
  pretraining_records,
  records,
)
from tests import published_models

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["the", "cat", "##s", "dog", "sleep", "##ing", "in", "gar", "##den", "a", "."]
TEXT = """\
the cats sleep in the garden .
a dog sleeping .
cats .

the garden in the garden in the garden .
sleeping cats sleep sleep sleep
a a a a a a a a a a a a a a a a a a a a a
dog

the dog in a garden .
"""


@pytest.fixture
def tokenizer(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(SPECIALS + PIECES) + "\n")
  return tokenization.FullTokenizer(str(path))


@pytest.fixture
def text_file(tmp_path):
  def write(text, name="text.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)

  return write


@pytest.fixture
def logged(caplog):
  caplog.set_level("INFO", logger="absl")
  return lambda: [record.getMessage() for record in caplog.records]


def read(path, length, most, static=True):
  spec = pretraining_records.feature_spec(length, most, static)
  return records.read_records(str(path), spec)


def write(instances, tokenizer, paths, compression=""):
  recipe = instances.recipe
  return pretraining_records.write_instance_to_example_files(
    instances,
    tokenizer,
    recipe.max_seq_length,
    recipe.max_predictions_per_seq,
    list(map(str, paths)),
    compression,
  )


def draw(paths, tokenizer, seed=3, **recipe):
  recipe = pretraining_draws.Recipe(**recipe)
  documents = pretraining_documents.read_documents(paths, tokenizer, recipe.words)
  return pretraining_instances.draw_instances(
    documents, tokenizer, recipe, random.Random(seed)
  )


class TestGolden:
  """What the original wrote for the same text, seed and vocabulary."""

  @pytest.mark.parametrize(
    "folder, arguments, seed, whole_words, length, most",
    [
      ("plain", (128, 5, 0.1, 0.15, 20), 12345, False, 128, 20),
      ("whole_word", (64, 3, 0.3, 0.2, 10), 42, True, 64, 10),
    ],
  )
  def test_records_are_equal_and_in_the_same_order(
    self, shared_golden, tmp_path, folder, arguments, seed, whole_words, length, most
  ):
    vocab = shared_golden.parent / "data" / "vocab" / "uncased_en_30522.txt"
    tokenizer = tokenization.FullTokenizer(str(vocab))
    golden = shared_golden / "pretraining_data"
    instances = pretraining_instances.create_training_instances(
      [str(golden / "sample_text.txt")],
      tokenizer,
      *arguments,
      random.Random(seed),
      do_whole_word_mask=whole_words,
    )
    write(instances, tokenizer, [tmp_path / "out"])
    expected = read(golden / folder / "tf_examples.tfrecord", length, most)
    assert len(expected["input_ids"]) == len(instances)
    for name, found in read(tmp_path / "out", length, most).items():
      np.testing.assert_array_equal(found, expected[name], err_msg=name)


SENTENCE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=9)
DOCUMENTS = st.lists(st.lists(SENTENCE, min_size=1, max_size=5), min_size=1, max_size=4)


def plain_tokens(line):
  return line.split()


def as_dict(instance):
  return {
    "tokens": instance.tokens,
    "segment_ids": instance.segment_ids,
    "positions": instance.masked_lm_positions,
    "labels": instance.masked_lm_labels,
    "is_random": instance.is_random_next,
  }


class TestCreateTrainingInstances:
  @settings(deadline=None, max_examples=60)
  @given(DOCUMENTS, st.integers(5, 30), st.booleans(), st.integers(0, 99))
  def test_equals_the_plain_algorithm(
    self, tmp_path_factory, documents, length, whole_words, seed
  ):
    folder = tmp_path_factory.mktemp("plain")
    (folder / "vocab.txt").write_text("\n".join(SPECIALS + PIECES) + "\n")
    texts = ["\n".join(map(" ".join, document)) for document in documents]
    (folder / "text.txt").write_text("\n\n".join(texts) + "\n")
    tokenizer = front_ends.create("pretokenized", str(folder / "vocab.txt"))
    found = pretraining_instances.create_training_instances(
      [str(folder / "text.txt")],
      tokenizer,
      length,
      3,
      0.4,
      0.3,
      4,
      random.Random(seed),
      whole_words,
    )
    expected = plain_pretraining.instances(
      [str(folder / "text.txt")],
      plain_tokens,
      SPECIALS + PIECES,
      seed,
      length=length,
      most=4,
      probability=0.3,
      short=0.4,
      passes=3,
      whole_words=whole_words,
    )
    assert list(map(as_dict, found)) == expected

  def test_special_pieces_in_the_text_are_not_masked(self, tmp_path, text_file):
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIALS + PIECES) + "\n")
    tokenizer = front_ends.create("pretokenized", str(tmp_path / "vocab.txt"))
    path = text_file("a [SEP] ##s cat [CLS] dog\na dog\n\nthe [SEP] ##den\n")
    for whole_words in (False, True):
      found = pretraining_instances.create_training_instances(
        [path], tokenizer, 16, 20, 0.1, 0.9, 9, random.Random(5), whole_words
      )
      expected = plain_pretraining.instances(
        [path],
        plain_tokens,
        SPECIALS + PIECES,
        5,
        length=16,
        most=9,
        probability=0.9,
        passes=20,
        whole_words=whole_words,
      )
      assert list(map(as_dict, found)) == expected

  def test_a_vocabulary_without_mask_is_refused(self, tmp_path, text_file):
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIALS[:4] + PIECES) + "\n")
    tokenizer = tokenization.FullTokenizer(str(tmp_path / "vocab.txt"))
    with pytest.raises(ValueError, match=r"--vocab_file.*found no \[MASK\]"):
      draw([text_file(TEXT)], tokenizer)
    assert len(draw([text_file(TEXT)], tokenizer, static_masking=False))

  def test_slices_are_lists(self, tokenizer, text_file):
    found = draw([text_file(TEXT)], tokenizer)
    assert [str(one) for one in found[1:4]] == [str(found[k]) for k in (1, 2, 3)]


class TestOriginalFunctions:
  """Functions of lists of tokens, against the plain ones and the state they leave."""

  @given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 40), st.integers(0, 99))
  def test_truncate_seq_pair(self, length_a, length_b, capacity, seed):
    a, b = list(range(length_a)), list(range(length_b))
    expected = list(a), list(b)
    ours, theirs = random.Random(seed), random.Random(seed)
    pretraining_instances.truncate_seq_pair(a, b, capacity, ours)
    plain_pretraining.truncate(*expected, capacity, theirs)
    assert (a, b) == expected
    assert ours.getstate() == theirs.getstate()

  @given(
    st.lists(st.sampled_from([*PIECES, "[SEP]", "[CLS]"]), min_size=1, max_size=30),
    st.booleans(),
    st.integers(0, 99),
  )
  def test_create_masked_lm_predictions(self, tokens, whole_words, seed):
    ours, theirs = random.Random(seed), random.Random(seed)
    found = pretraining_instances.create_masked_lm_predictions(
      tokens, 0.4, 7, PIECES, ours, whole_words
    )
    assert found == plain_pretraining.mask(tokens, 0.4, 7, PIECES, theirs, whole_words)
    assert ours.getstate() == theirs.getstate()

  @settings(deadline=None)
  @given(DOCUMENTS, st.integers(5, 30), st.integers(0, 99))
  def test_create_instances_from_document(self, documents, length, seed):
    ours, theirs = random.Random(seed), random.Random(seed)
    for number in range(len(documents)):
      found = pretraining_instances.create_instances_from_document(
        documents, number, length, 0.5, 0.3, 5, PIECES, ours
      )
      place = 0
      pairs = plain_pretraining.pairs_of_document(
        documents, number, length - 3, 0.5, theirs
      )
      for place, (a, b, is_random) in enumerate(pairs, 1):
        tokens = ["[CLS]", *a, "[SEP]", *b, "[SEP]"]
        output, positions, labels = plain_pretraining.mask(
          tokens, 0.3, 5, PIECES, theirs
        )
        one = found[place - 1]
        assert one.tokens == output
        assert one.masked_lm_positions == positions
        assert one.masked_lm_labels == labels
        assert one.is_random_next == is_random
        assert one.segment_ids == [0] * (len(a) + 2) + [1] * (len(b) + 1)
      assert len(found) == place

  @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 127, 128, 129, 1000])
  def test_shuffle_is_the_generators_own(self, count):
    ours, theirs = random.Random(count), random.Random(count)
    found, expected = list(range(count)), list(range(count))
    pretraining_draws.shuffle(found, ours)
    theirs.shuffle(expected)
    assert found == expected
    assert ours.getstate() == theirs.getstate()

  @pytest.mark.parametrize(
    "tokens, expected", [(3, 1), (10, 2), (30, 4), (50, 8), (128, 19), (1000, 20)]
  )
  def test_halves_are_rounded_to_the_even_number(self, tokens, expected):
    # 1.5 and 4.5 are halves; 7.5 is 8.
    assert pretraining_draws.Recipe().num_to_predict(tokens) == expected


class TestReadDocuments:
  def sentences(self, documents, tokenizer):
    edges = [list(itertools.pairwise(x)) for x in (documents.sentences.tolist(),)][0]
    return [
      [
        tokenizer.convert_ids_to_tokens(documents.ids[a:b].tolist())
        for a, b in edges[first:last]
      ]
      for first, last in itertools.pairwise(documents.documents.tolist())
    ]

  def test_blank_lines_end_documents_and_ends_of_files_do_not(
    self, tokenizer, text_file
  ):
    paths = [
      text_file("\n\n a cat \r\n\t\ndog\n \n\u200b\n \n\n", "1.txt"),
      text_file("", "2.txt"),
      text_file("the dog\n", "3.txt"),
      text_file("cats", "4.txt"),
    ]
    found = pretraining_documents.read_documents(paths, tokenizer)
    assert self.sentences(found, tokenizer) == [
      [["a", "cat"]],
      [["dog"]],
      [["the", "dog"], ["cat", "##s"]],
    ]

  def test_packed_text(self, tokenizer, tmp_path):
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    found = pretraining_documents.read_documents([str(path)], tokenizer)
    assert len(found) == 3

  def test_workers_change_nothing(self, tokenizer, text_file, monkeypatch):
    monkeypatch.setattr(pretraining_documents, "_BATCH_CHARACTERS", 16)
    path, done = text_file(TEXT * 5), []
    one = pretraining_documents.read_documents([path], tokenizer, "auto")
    two = pretraining_documents.read_documents(
      [path], tokenizer, "auto", 2, lambda *counts: done.append(counts)
    )
    for name in ("ids", "sentences", "documents", "continues"):
      np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert done[-1] == (50, 50)

  @pytest.mark.parametrize("text", ["", "\n\n", "\u200b\n"])
  def test_no_document(self, tokenizer, text_file, text):
    with pytest.raises(ValueError, match=r"text.txt: expected text, a sentence a line"):
      pretraining_documents.read_documents([text_file(text)], tokenizer)

  def test_one_document_is_told(self, tokenizer, text_file, logged):
    pretraining_documents.read_documents([text_file("a cat\ndog\n")], tokenizer)
    assert "one document only" in logged()[-1]

  def test_another_encoding(self, tokenizer, tmp_path):
    (tmp_path / "sjis.txt").write_bytes("a\n\n駅前\n".encode("cp932"))
    with pytest.raises(ValueError, match=r"sjis.txt, line 3: expected UTF-8"):
      pretraining_documents.read_documents([str(tmp_path / "sjis.txt")], tokenizer)


class TestWords:
  def continues(self, tokenizer, path, words="auto"):
    return pretraining_documents.read_documents([path], tokenizer, words)

  def words(self, found, tokenizer):
    """Pieces of each word, joined by +."""
    pieces = tokenizer.convert_ids_to_tokens(found.ids.tolist())
    words = []
    for piece, goes_on in zip(pieces, found.continues.tolist(), strict=True):
      if goes_on:
        words[-1] += f"+{piece}"
      else:
        words.append(piece)
    return words

  def test_number_signs(self, tokenizer, text_file):
    path = text_file("sleeping cats.\n")
    found = self.continues(tokenizer, path)
    assert self.words(found, tokenizer) == ["sleep+##ing", "cat+##s", "."]

  def test_spaces(self, tokenizer, text_file):
    found = self.continues(tokenizer, text_file("sleeping cats. dog\n"), "spaces")
    assert self.words(found, tokenizer) == ["sleep+##ing", "cat+##s+.", "dog"]

  def test_segmenters_words_in_characters(self, tmp_path, text_file):
    characters = [*SPECIALS, *"駅前の店でスープを飲む。"]
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(dict.fromkeys(characters)) + "\n", encoding="utf-8")
    settings = {
      "subword_tokenizer_type": "character",
      "mecab_kwargs": {"mecab_dic": "ipadic"},
    }
    pytest.importorskip("MeCab")
    tokenizer = front_ends.create("tohoku", str(path), settings=settings)
    text = "駅前の店でスープを飲む。\n"
    found = self.continues(tokenizer, text_file(text))
    expected = ["+".join(word) for word in tokenizer.segmenter.split(text)]
    assert self.words(found, tokenizer) == expected
    assert "ス+ー+プ" in expected
    np.testing.assert_array_equal(found.ids, tokenizer.encode(text))

  def test_sentence_pieces(self, tmp_path_factory, text_file):
    pytest.importorskip("sentencepiece")
    root = str(tmp_path_factory.mktemp("models"))
    files = published_models.write_sentence_pieces(root)["hottosns"]
    tokenizer = front_ends.create("hottosns", *files)
    text = "スープが ぬるくて 残念だった。\n"
    found = self.continues(tokenizer, text_file(text))
    np.testing.assert_array_equal(found.ids, tokenizer.encode(text))
    pieces = tokenizer.tokenize(text)
    np.testing.assert_array_equal(~found.continues, [p[0] == "▁" for p in pieces])
    assert (~found.continues).sum() == 3


class TestMasksLater:
  def test_records_hold_the_text_and_where_words_start(
    self, tokenizer, text_file, tmp_path
  ):
    path = text_file(TEXT)
    found = draw([path], tokenizer, max_seq_length=16, static_masking=False)
    write(found, tokenizer, [tmp_path / "out"])
    rows = read(tmp_path / "out", 16, 0, static=False)
    assert set(rows) == {
      "input_ids",
      "input_mask",
      "segment_ids",
      "next_sentence_labels",
      "word_starts",
    }
    for ids, segments, starts, length in zip(
      rows["input_ids"],
      rows["segment_ids"],
      rows["word_starts"],
      rows["input_mask"].sum(axis=1),
      strict=True,
    ):
      tokens = tokenizer.convert_ids_to_tokens(ids[:length].tolist())
      start_b = length - segments.sum()
      assert "[MASK]" not in tokens
      assert tokens[0] == "[CLS]" and tokens[start_b - 1] == tokens[-1] == "[SEP]"
      for place in range(16):
        expected = place < length and (
          tokens[place][0] not in "[#" or place in (1, start_b)
        )
        assert starts[place] == expected

  def test_pairs_of_a_pass_are_those_of_the_original_without_its_masks(
    self, tokenizer, text_file
  ):
    # One document of one sentence: nothing but the pair is drawn before the masks.
    path = text_file("the cats sleep in the garden .\n")
    options = {"dupe_factor": 1, "short_seq_prob": 0.0}
    masked = draw([path], tokenizer, **options)[0]
    later = draw([path], tokenizer, static_masking=False, **options)[0]
    tokens = list(masked.tokens)
    for place, label in zip(
      masked.masked_lm_positions, masked.masked_lm_labels, strict=True
    ):
      tokens[place] = label
    assert later.tokens == tokens
    assert later.masked_lm_positions == later.masked_lm_labels == []


class TestWriting:
  def test_files_take_turns(self, tokenizer, text_file, tmp_path):
    found = draw([text_file(TEXT)], tokenizer, max_seq_length=12)
    count = write(found, tokenizer, [tmp_path / "all"])
    write(found, tokenizer, [tmp_path / "a", tmp_path / "b", tmp_path / "c"])
    everything = read(tmp_path / "all", 12, 20)
    assert count == len(everything["input_ids"]) == len(found)
    for number, name in enumerate("abc"):
      for feature, part in read(tmp_path / name, 12, 20).items():
        np.testing.assert_array_equal(part, everything[feature][number::3])

  @pytest.mark.parametrize("static", [True, False])
  def test_lists_of_instances_give_the_same_records(
    self, tokenizer, text_file, tmp_path, static
  ):
    found = draw([text_file(TEXT)], tokenizer, max_seq_length=12, static_masking=static)
    write(found, tokenizer, [tmp_path / "a"])
    pretraining_records.write_instance_to_example_files(
      list(found), tokenizer, 12, 20, [str(tmp_path / "b")]
    )
    first, second = (read(tmp_path / name, 12, 20, static) for name in "ab")
    for name, values in first.items():
      np.testing.assert_array_equal(values, second[name])

  def test_every_reader_of_examples_takes_the_records(
    self, tokenizer, text_file, tmp_path
  ):
    import tensorflow as tf

    found = draw([text_file(TEXT)], tokenizer, max_seq_length=12)
    write(found, tokenizer, [tmp_path / "a"])
    rows = read(tmp_path / "a", 12, 20)
    spec = records.parse_spec(pretraining_records.feature_spec(12, 20))
    dataset = tf.data.TFRecordDataset(str(tmp_path / "a")).as_numpy_iterator()
    for number, record in enumerate(dataset):
      features = tf.train.Example.FromString(record).features.feature
      assert set(features) == set(rows)
      weights = list(features["masked_lm_weights"].float_list.value)
      assert weights == rows["masked_lm_weights"][number].tolist()
      one = tf.io.parse_single_example(record, spec)
      for name, values in rows.items():
        np.testing.assert_array_equal(one[name], values[number])

  def test_compressed_files_hold_the_same(self, tokenizer, text_file, tmp_path):
    found = draw([text_file(TEXT)], tokenizer, max_seq_length=12)
    write(found, tokenizer, [tmp_path / "a"])
    write(found, tokenizer, [tmp_path / "b"], "GZIP")
    unpacked = gzip.decompress((tmp_path / "b").read_bytes())
    assert unpacked == (tmp_path / "a").read_bytes()

  def test_an_instance_that_does_not_fit(self, tokenizer, text_file, tmp_path):
    found = list(draw([text_file(TEXT)], tokenizer, max_seq_length=12))
    with pytest.raises(ValueError, match="does not fit --max_seq_length=7 and"):
      pretraining_records.write_instance_to_example_files(
        found, tokenizer, 7, 20, [str(tmp_path / "a")]
      )
    assert list(tmp_path.glob("a*")) == []

  def test_the_first_twenty_are_logged(self, tokenizer, text_file, tmp_path, logged):
    found = draw([text_file(TEXT)], tokenizer, max_seq_length=12)
    write(found, tokenizer, [tmp_path / "a"])
    assert logged().count("*** Example ***") == 20
    assert f"tokens: {' '.join(found[0].tokens)}" in logged()
    assert any(line.startswith("masked_lm_weights: 1.0 ") for line in logged())
