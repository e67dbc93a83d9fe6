"""Reading sentences, and training on them: places, determinism, limits, messages."""

import collections
import itertools
import subprocess
import sys
import tracemalloc

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from bert_ja import tokenization, vocabularies

# 5 x 5 x 5 sentences; the words between them are as frequent as each other.
SENTENCES = [
  "".join(parts)
  for parts in itertools.product(
    ["祖母は", "隣の猫が", "わたしは", "駅員さんは", "TAROは"],
    ["毎朝パンを", "庭で花を", "ガラス窓を", "古い地図を", "ラジオを"],
    ["見ています。", "運んだ。", "忘れました。", "大切にする。", "2回も探した。"],
  )
]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CONTROLS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]


def write(folder, text, name="text.txt"):
  path = folder / name
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  return str(path)


def word_counts():
  basic = tokenization.BasicTokenizer(strip_accents=False)
  return collections.Counter(w for s in SENTENCES for w in basic.tokenize(s))


class TestSentences:
  def test_lines_of_all_files_in_order_without_blank_ones(self, tmp_path):
    first = write(tmp_path, "\ufeff一つ目。\r\n\r\n  \u3000\n 二つ目。\n", "b.txt")
    second = write(tmp_path, "三つ目。", "a.txt")
    sentences = vocabularies.Sentences([first, second])
    assert list(sentences) == ["一つ目。", "二つ目。", "三つ目。"]
    assert len(sentences) == 3

  def test_only_line_feeds_end_a_line(self, tmp_path):
    text = "左\u2028右\x0b上\x85下"
    assert list(vocabularies.Sentences([write(tmp_path, text)])) == [text]

  def test_iterating_again_gives_the_same(self, tmp_path):
    path = write(tmp_path, "\n".join(SENTENCES))
    sentences = vocabularies.Sentences([path], max_sentences=40, seed=3)
    assert list(sentences) == list(sentences)

  def test_the_seed_chooses_which_of_them(self, tmp_path):
    path = write(tmp_path, "\n".join(SENTENCES))
    first, second = (
      list(vocabularies.Sentences([path], max_sentences=40, seed=seed))
      for seed in (1, 2)
    )
    assert first != second
    for chosen in first, second:
      assert len(chosen) == 40
      assert chosen == [s for s in SENTENCES if s in set(chosen)]

  def test_asking_for_more_than_there_are_gives_all(self, tmp_path):
    path = write(tmp_path, "\n".join(SENTENCES))
    sentences = vocabularies.Sentences([path], max_sentences=1000)
    assert list(sentences) == SENTENCES
    assert len(sentences) == len(SENTENCES)

  def test_the_text_is_not_held(self, tmp_path):
    path = write(tmp_path, ("あ" * 300 + "\n") * 5000)  # 4.5 MB
    tracemalloc.start()
    try:
      assert sum(len(sentence) for sentence in vocabularies.Sentences([path])) == 1.5e6
      assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
      tracemalloc.stop()

  def test_other_encodings_are_named_with_their_line(self, tmp_path):
    path = write(tmp_path, "一行目\n".encode() + "二行目\n".encode("cp932"))
    with pytest.raises(ValueError, match=r"text\.txt, line 2: expected UTF-8, found b"):
      vocabularies.Sentences([path])

  def test_blank_text_is_refused(self, tmp_path):
    path = write(tmp_path, "\n \n\u3000\n")
    with pytest.raises(ValueError, match=r"text\.txt: expected text.*lines are blank"):
      vocabularies.Sentences([path])

  def test_a_missing_file_is_named(self, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
      vocabularies.Sentences([str(tmp_path / "nowhere.txt")])


class TestSample:
  @given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 99))
  def test_takes_exactly_so_many_in_order(self, one, other, seed):
    count, total = sorted([one, other])
    chosen = list(vocabularies.sample(range(total), count, total, seed))
    assert len(chosen) == count
    assert chosen == sorted(set(chosen))

  def test_every_item_is_equally_likely(self):
    counts = collections.Counter(
      item for seed in range(4000) for item in vocabularies.sample(range(8), 2, 8, seed)
    )
    # 1000 each; the standard deviation is 27.
    assert len(counts) == 8
    assert all(abs(count - 1000) < 120 for count in counts.values())


class TestWordPieceTrainer:
  def test_special_tokens_characters_and_joins_in_this_order(self):
    # ね is followed by こ twice and by ず once: only the first pair is frequent.
    pieces = vocabularies.WordPieceTrainer(100).train({"ねこ": 2, "ねず": 1, "ん": 1})
    assert pieces == [*SPECIALS, "こ", "ず", "ね", "ん", "##こ", "##ず", "ねこ"]

  def test_the_most_frequent_pair_is_joined_first(self):
    counts = {"ねこ": 3, "いぬ": 5, "とり": 4}
    pieces = vocabularies.WordPieceTrainer(16).train(counts)
    assert pieces[-2:] == ["いぬ", "とり"]

  def test_has_the_size_asked_for_and_repeats_nothing(self):
    pieces = vocabularies.WordPieceTrainer(110).train(word_counts())
    assert len(pieces) == len(set(pieces)) == 110

  def test_counts_are_as_good_as_repeated_words(self):
    # More than are handed to the library at once.
    once = vocabularies.WordPieceTrainer(100, min_frequency=2501)
    assert "ねこ" not in once.train({"ねこ": 2500})
    assert "ねこ" in once.train({"ねこ": 2501})

  def test_full_tokenizer_covers_the_text(self, tmp_path):
    pieces = vocabularies.WordPieceTrainer(110).train(word_counts())
    path = write(tmp_path, "\n".join(pieces) + "\n", "vocab.txt")
    tokenizer = tokenization.FullTokenizer(path, strip_accents=False)
    assert list(tokenizer.vocab.values()) == list(range(110))
    for sentence in SENTENCES:
      joined = "".join(
        token.removeprefix("##") for token in tokenizer.tokenize(sentence)
      )
      assert joined == sentence.lower()

  def test_other_processes_get_the_same(self):
    code = (
      "import itertools; from bert_ja import vocabularies\n"
      # All pairs are equally frequent, so that only the rule for ties orders them.
      "words = {a + b + c: 3 for a, b, c in itertools.permutations('あいうえおか', 3)}\n"
      "print(vocabularies.WordPieceTrainer(60).train(words))"
    )
    outputs = {
      subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True
      ).stdout
      for _ in range(3)
    }
    assert len(outputs) == 1
    assert len(eval(outputs.pop())) == 60

  def test_the_alphabet_keeps_the_most_frequent_characters(self):
    counts = {"う": 9, "い": 4, "あ": 4, "うえ": 3}
    pieces = vocabularies.WordPieceTrainer(100, limit_alphabet=2).train(counts)
    assert pieces == [*SPECIALS, "あ", "う"]

  def test_words_that_a_file_cannot_hold_or_that_are_special_leave_no_trace(self):
    counts = {"\u3000": 5, "あ\u3000い": 5, "[MASK]": 5, "う\x1c": 5, "かき": 1}
    pieces = vocabularies.WordPieceTrainer(100).train(counts)
    assert not [piece for piece in pieces if piece.split() != [piece]]
    assert "[MASK" not in pieces
    assert not [piece for piece in pieces if piece.startswith("##") and piece != "##き"]

  def test_a_size_without_place_for_the_characters(self):
    counts = {"ねこ": 2, "ねず": 1}
    with pytest.raises(ValueError) as error:
      vocabularies.WordPieceTrainer(9).train(counts)
    assert str(error.value) == (
      "--vocab_size=9 is too small: the 5 special tokens, 3 characters and 2 of them "
      "within words need 10; raise it or lower --limit_alphabet"
    )
    assert len(vocabularies.WordPieceTrainer(10).train(counts)) == 10

  def test_names_the_missing_package(self, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"^--kind=wordpiece needs tokenizers: pip "):
      vocabularies.WordPieceTrainer(100)


class TestFrequentWords:
  def test_the_most_frequent_of_equals_the_first(self):
    counts = {"い": 2, "う": 5, "[CLS]": 9, "あ": 2, "え": 1}
    assert vocabularies.frequent_words(counts, 8) == [*SPECIALS, "う", "あ", "い"]

  def test_a_size_without_place_for_the_special_tokens(self):
    with pytest.raises(ValueError, match=r"--vocab_size=4 is too small for the 5 spec"):
      vocabularies.frequent_words({"あ": 1}, 4)


class TestSentencePieceTrainer:
  def test_equals_the_library_on_a_file(self, tmp_path):
    """The command line of contract B-22, with another size."""
    sentencepiece.SentencePieceTrainer.train(
      f"--input={write(tmp_path, chr(10).join(SENTENCES))} --vocab_size=85 "
      f"--model_prefix={tmp_path}/reference --minloglevel=2 "
      "--control_symbols=[PAD],[CLS],[SEP],[MASK]"
    )
    model = vocabularies.SentencePieceTrainer(85).train(SENTENCES)
    table = vocabularies.sentence_piece_table(model)
    assert table == (tmp_path / "reference.vocab").read_text()
    ours = sentencepiece.SentencePieceProcessor(model_proto=model)
    theirs = sentencepiece.SentencePieceProcessor(str(tmp_path / "reference.model"))
    for text in [*SENTENCES, "知らない字とABCと[CLS]。"]:
      assert ours.encode(text) == theirs.encode(text)

  @pytest.mark.parametrize("model_type", ["unigram", "bpe"])
  def test_places_of_the_special_tokens(self, model_type):
    model = vocabularies.SentencePieceTrainer(85, model_type).train(SENTENCES)
    rows = [line.split("\t") for line in _table_lines(model)]
    assert [row[0] for row in rows[:7]] == ["<unk>", "<s>", "</s>", *CONTROLS]
    assert len(rows) == 85

  def test_methods_differ(self):
    unigram, bpe = (
      _table_lines(vocabularies.SentencePieceTrainer(85, name).train(SENTENCES))
      for name in ("unigram", "bpe")
    )
    assert set(unigram) != set(bpe)

  def test_text_never_gives_control_symbols(self):
    # With all their letters known.
    sentences = [
      *SENTENCES,
      *["かっこは[と]、字はPとAとDCLSEKM。"] * 9,
    ]
    trainer = vocabularies.SentencePieceTrainer(90, character_coverage=1.0)
    model = trainer.train(sentences)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    for name in CONTROLS:
      ids = processor.encode(f"{name}駅員さん{name}")
      assert min(ids) > 6
      assert processor.decode(ids) == f"{name}駅員さん{name}"

  def test_the_same_text_gives_the_same_bytes(self):
    first, second = (
      vocabularies.SentencePieceTrainer(85).train(iter(SENTENCES)) for _ in range(2)
    )
    assert first == second

  def test_coverage_leaves_rare_characters_out(self):
    sentences = [*SENTENCES * 10, "鬱"]
    for coverage, known in ((1.0, True), (0.9995, False)):
      trainer = vocabularies.SentencePieceTrainer(85, character_coverage=coverage)
      processor = sentencepiece.SentencePieceProcessor(
        model_proto=trainer.train(sentences)
      )
      assert (processor.piece_to_id("鬱") != 0) == known

  def test_too_large_a_size_names_the_largest(self):
    with pytest.raises(ValueError) as error:
      vocabularies.SentencePieceTrainer(5000).train(SENTENCES)
    words = str(error.value).split()
    assert str(error.value) == (
      "--vocab_size=5000 is too large: the text gives "
      f"{words[7]} pieces at most; lower it"
    )
    largest = vocabularies.SentencePieceTrainer(int(words[7])).train(SENTENCES)
    assert len(_table_lines(largest)) == int(words[7])

  def test_too_small_a_size_names_the_smallest(self):
    with pytest.raises(ValueError, match=r"^--vocab_size=9 is too small: .* need 10;"):
      # Three symbols, four controls, ▁ and two characters.
      vocabularies.SentencePieceTrainer(9).train(["ねこ"] * 3)
    assert vocabularies.SentencePieceTrainer(10).train(["ねこ"] * 3)

  def test_counts_sentences_that_are_too_long(self):
    # 1,398 characters of three bytes are 4,194 bytes.
    longer, longest = "あ" * 1398, "あ" * 1397
    trainer = vocabularies.SentencePieceTrainer(85)
    assert trainer.train([longest, longer, *SENTENCES])
    assert trainer.num_too_long == 1

  def test_nothing_but_long_sentences(self):
    with pytest.raises(
      ValueError, match="no sentence is left.*: 2 are longer than 4192"
    ):
      vocabularies.SentencePieceTrainer(85).train(["あ" * 1400, "い" * 1400])

  def test_names_the_missing_package(self, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(
      ImportError, match=r"^--kind=sentencepiece needs sentencepiece:"
    ):
      vocabularies.SentencePieceTrainer(100)


def _table_lines(model):
  return vocabularies.sentence_piece_table(model).splitlines()
