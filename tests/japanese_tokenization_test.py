"""Tokenizers made of parts: spans on any text, equality with other implementations.

The oracles are Hugging Face's tokenizer for Japanese and the sentencepiece library; real
vocabularies and text are read where they are at hand.
"""

import random
import sys
import unicodedata

import pytest
from hypothesis import given, settings

from bert_ja import front_ends, japanese_tokenization, tokenization
from bert_ja.ja import normalization, segmenters
from tests import published_models
from tests.ja import texts

SENTENCE_PIECE = "data/sentencepiece_ja/wiki-ja_albert"
V3 = "data/vocab/bert-base-japanese-v3_32768.txt"
NUM_LINES = 20_000
NUM_STRINGS = 100_000

# The character of each front end's vocabulary that any text may become.
_ALPHABET = sorted({*texts.SPECIAL, *"abcABC0123がパあ亜食べた。"} - set("\r\n"))


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
  """{name: tokenizer} of all but `kyoto`, which asks a program."""
  root = tmp_path_factory.mktemp("tokenizers")
  vocab = root / "vocab.txt"
  pieces = [c for c in _ALPHABET if c.strip() and c.isprintable()]
  lines = [*published_models.SPECIALS, *pieces, *(f"##{c}" for c in pieces)]
  vocab.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="ignore")
  sentence_pieces = published_models.write_sentence_pieces(str(root))
  result = {}
  for name, front_end in front_ends.FRONT_ENDS.items():
    if front_end.pieces == "sentencepiece":
      result[name] = front_ends.create(name, *sentence_pieces[name])
    elif name != "kyoto":
      result[name] = front_ends.create(name, str(vocab))
  characters = {"subword_tokenizer_type": "character"}
  result["characters"] = front_ends.create("tohoku", str(vocab), None, characters)
  lower = {"do_lower_case": True}
  result["characters_lower"] = front_ends.create(
    "tohoku", str(vocab), None, {**characters, **lower}
  )
  result["lower"] = front_ends.create("nict-bpe", str(vocab), None, lower)
  return result


def normalized(text):
  """What no front end tells apart: width, case, accents, white space."""
  text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).lower())
  text = unicodedata.normalize("NFKD", text)
  return "".join(c for c in text if unicodedata.category(c)[0] in "LNPS")


def check(name, tokenizer, text):
  """Spans ascend, lie in the text, hold their pieces, and leave nothing out."""
  tokens, spans = tokenizer.tokenize_with_offsets(text)
  assert tokens == tokenizer.tokenize(text), (name, text)
  assert len(tokens) == len(spans)
  texts.check_spans(text, spans)
  ids = tokenizer.convert_tokens_to_ids(tokens)
  assert tokenizer.encode(text) == ids
  assert all(0 <= index < len(tokenizer.vocab) for index in ids)
  covered = set()
  for token, (start, end) in zip(tokens, spans, strict=True):
    covered.update(range(start, end))
    piece, original = token.removeprefix("##").strip("▁"), text[start:end]
    # Libraries know characters of a newer Unicode than Python's.
    is_known = all(unicodedata.category(c) != "Cn" for c in original)
    if token != tokenizer.unk_token and "\ufffd" not in piece and is_known:
      assert normalized(piece) in normalized(original), (name, text, token)
  left = {text[index] for index in set(range(len(text))) - covered}
  # Control characters and marks are dropped by some, and surrogates have no UTF-8.
  kept = {c for c in left if unicodedata.category(c)[0] in "LNPS"}
  assert not {c for c in kept if normalized(c) and c not in _DROPPED}, (name, text)


# To SentencePiece the first is nothing, the second a space.
_DROPPED = set("\ufffd▁")


class TestSpans:
  @settings(max_examples=300, deadline=None)
  @given(text=texts.TEXTS)
  def test_on_any_text(self, tokenizers, text):
    for name, tokenizer in tokenizers.items():
      check(name, tokenizer, text)

  def test_a_piece_of_several_characters_of_the_text(self, tokenizers):
    tokens, spans = tokenizers["tohoku"].tokenize_with_offsets("か\u3099 ﾊﾟ㍿")
    assert tokens == ["が", "パ", "[UNK]"]
    assert spans == [(0, 2), (3, 5), (5, 6)]

  def test_lower_case_of_words(self, tokenizers):
    lower = tokenizers["characters_lower"]
    assert lower.tokenize_with_offsets("İＡb") == (
      ["[UNK]", "[UNK]", "a", "b"],
      [(0, 1), (0, 1), (1, 2), (2, 3)],
    )

  @pytest.mark.slow
  def test_fuzz(self, tokenizers):
    """No text ends in an exception, and the same text gives the same result."""
    draw = random.Random(7)
    for index in range(NUM_STRINGS):
      text = random_text(draw)
      for name, tokenizer in tokenizers.items():
        tokens, spans = tokenizer.tokenize_with_offsets(text)
        assert len(tokens) == len(spans)
        assert tokens == tokenizer.tokenize(text), (name, text)
        assert tokenizer.encode(text) == tokenizer.convert_tokens_to_ids(tokens)
        if index % 1000 == 0:
          check(name, tokenizer, text)

  @pytest.mark.slow
  @pytest.mark.parametrize(
    "unit",
    ["a", "あ", "亜", "食べた。", " ", "\u3099", "a\u0301", "\0", "\ud800", "㍿"],
  )
  def test_megabyte_lines(self, tokenizers, unit):
    text = unit * (1_000_000 // len(unit.encode("utf-8", "surrogatepass")))
    for name, tokenizer in tokenizers.items():
      tokens, spans = tokenizer.tokenize_with_offsets(text)
      assert len(tokens) == len(spans), name
      texts.check_spans(text, spans)


def random_text(draw):
  """A string of up to 24 characters from all planes and of the difficult ones."""
  characters = []
  for _ in range(draw.randrange(25)):
    kind = draw.random()
    if kind < 0.4:
      characters.append(draw.choice(texts.SPECIAL))
    elif kind < 0.7:
      characters.append(chr(draw.randrange(0x3000, 0x30FF)))
    elif kind < 0.9:
      characters.append(chr(draw.randrange(sys.maxunicode + 1)))
    else:
      characters.append(draw.choice("\u202e\u2067\u200d\u0300\u0e31\u1f3f4\ufe0f"))
  return "".join(characters)


class TestSegmentedTokenizer:
  def test_parts_are_called_in_order(self, tmp_path):
    vocab = {"[UNK]": 0, "b": 1, "##c": 2, "x": 3}
    tokenizer = japanese_tokenization.SegmentedTokenizer(
      vocab,
      normalization.Replace("a", "b"),
      segmenters.Whitespace(),
      tokenization.WordpieceTokenizer(vocab),
    )
    tokens, spans = tokenizer.tokenize_with_offsets("ac xx  b")
    assert tokens == ["b", "##c", "[UNK]", "b"]
    assert spans == [(0, 1), (1, 2), (3, 5), (7, 8)]

  def test_bytes_are_decoded_and_other_types_refused(self, tokenizers):
    tokenizer = tokenizers["pretokenized"]
    assert tokenizer.tokenize("a あ".encode()) == ["a", "あ"]
    with pytest.raises(ValueError, match="expected text as str or bytes, got int"):
      tokenizer.tokenize(3)


class TestSentencePieceTokenizer:
  @pytest.mark.parametrize("name", ["bert-japanese", "hottosns"])
  def test_text_never_makes_a_special_id(self, tokenizers, name):
    """Contract B-16: also where all characters of a name are unknown pieces."""
    tokenizer = tokenizers[name]
    ids = tokenizer.encode("[CLS] [SEP] <s> <pad> [MASK]")
    specials = {"[CLS]", "[SEP]", "[MASK]", "[PAD]", "<s>", "<pad>"}
    found = {tokenizer.inv_vocab[index] for index in ids}
    assert not found & specials

  def test_an_unknown_piece_has_id_0_whatever_id_its_name_has(self, tmp_path):
    """Contract B-14."""
    vocab_file, model_file = published_models.write_sentence_pieces(str(tmp_path))[
      "bert-japanese"
    ]
    with open(vocab_file, encoding="utf-8") as reader:
      unknown, second, *others = reader.read().splitlines(keepends=True)
    with open(vocab_file, "w", encoding="utf-8") as writer:
      writer.writelines([second, unknown, *others])
    tokenizer = front_ends.create("bert-japanese", vocab_file, model_file)
    assert tokenizer.vocab["<unk>"] == 1
    pieces = tokenizer.tokenize("鯛")
    assert tokenizer.encode("鯛") == tokenizer.convert_tokens_to_ids(pieces)
    assert tokenizer.encode("鯛")[-1] == 0

  def test_a_vocabulary_with_other_pieces_decides_by_text(self, tmp_path):
    vocab_file, model_file = published_models.write_sentence_pieces(str(tmp_path))[
      "bert-japanese"
    ]
    with open(vocab_file, "a", encoding="utf-8") as writer:
      writer.write("鯛\t0\n")
    tokenizer = front_ends.create("bert-japanese", vocab_file, model_file)
    pieces = tokenizer.tokenize("店で鯛を")
    assert "鯛" in pieces
    assert tokenizer.encode("店で鯛を") == tokenizer.convert_tokens_to_ids(pieces)
    assert tokenizer.vocab["鯛"] in tokenizer.encode("店で鯛を")


@pytest.fixture(scope="module")
def lines():
  return texts.livedoor_lines(NUM_LINES)


@pytest.mark.slow
class TestRealText:
  """Twenty thousand lines of news, with published vocabularies."""

  def test_tohoku_equals_hugging_face(self, lines):
    transformers = pytest.importorskip("transformers")
    vocab_file = str(texts.shared(V3))
    theirs = transformers.BertJapaneseTokenizer(
      vocab_file,
      do_lower_case=False,
      word_tokenizer_type="mecab",
      subword_tokenizer_type="wordpiece",
      mecab_kwargs={"mecab_dic": "unidic_lite"},
    )
    ours = front_ends.create("tohoku", vocab_file)
    for line in lines:
      assert ours.tokenize(line) == theirs.tokenize(line)

  @pytest.mark.parametrize("lower", [False, True])
  def test_sentence_piece_ids_equal_the_librarys(self, lines, lower):
    sentencepiece = pytest.importorskip("sentencepiece")
    stem = str(texts.shared(f"{SENTENCE_PIECE}.model")).removesuffix(".model")
    theirs = sentencepiece.SentencePieceProcessor(model_file=f"{stem}.model")
    ours = front_ends.create(
      "hottosns", f"{stem}.vocab", f"{stem}.model", {"do_lower_case": lower}
    )
    for line in lines:
      expected = theirs.encode(line.lower() if lower else line)
      assert ours.convert_tokens_to_ids(ours.tokenize(line)) == expected
      assert ours.encode(line) == expected

  def test_spans_hold_their_pieces(self, lines):
    stem = str(texts.shared(f"{SENTENCE_PIECE}.model")).removesuffix(".model")
    cases = {
      "tohoku": (str(texts.shared(V3)),),
      "multilingual-cased": (str(texts.shared("data/vocab/multi_cased_119547.txt")),),
      "google": (str(texts.shared("data/vocab/chinese_21128.txt")),),
      "hottosns": (f"{stem}.vocab", f"{stem}.model"),
    }
    for name, files in cases.items():
      tokenizer = front_ends.create(name, *files)
      for line in lines[::10]:
        check(name, tokenizer, line)
