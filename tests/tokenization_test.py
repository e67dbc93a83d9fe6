"""Tokenization: the contract's rules on every code point, spans, ids, messages.

The oracle is `benchmarks.plain_tokenizer`, which follows the rules one character at a
time; the original's own outputs and public texts are read where they are at hand.
"""

import itertools
import json
import pathlib
import pickle
import subprocess
import sys
import tarfile
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain_tokenizer, tokenizer_benchmark
from bert_ja import tokenization
from tests.ja.texts import in_contexts, shared

FIXTURE = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn"]
FIXTURE += ["##ing", ","]
SWITCHES = list(itertools.product([False, True], [None, False, True], [False, True]))
DISTINCT_SWITCHES = [switches for switches in SWITCHES if switches[1] is not None]

# What the rules treat specially, and what might join with it.
SPECIAL = (
  "aBzİßΣσςΑ \t\n\r\x00\x0b\x0c\x1c\x85\xa0\u2028\u2029\u3000\u200b\ufeff\ufffd.,'$^`-[]#"
  "é\u0301\u0338=≠\u037e\u1fef\u1e9bがパか\u3099\u309a々ー、。「・東京\uf900\uff76\uff9eＡ１"
  "각\u1100\u1161😀𠮷\U0002f800\U000e0100\u302e\u302f\U0001d165\U0001d15e\u1b44\ud800\udc00"
)
TEXTS = st.text(
  st.one_of(
    st.sampled_from(SPECIAL),
    st.sampled_from("abcd "),
    st.characters(),
    st.characters(categories=["Mn", "Mc", "Cf", "Cs", "Po", "Lt", "Lu"]),
  ),
  max_size=30,
)


def write_vocab(folder, tokens, name="vocab.txt"):
  path = folder / name
  path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
  return str(path)


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory):
  return write_vocab(tmp_path_factory.mktemp("vocab"), FIXTURE)


class WholeWords:
  """In the place of a WordpieceTokenizer: each word is its own piece."""

  unk_token = None

  def split_word(self, word):
    return [word]


class SmallPieces(tokenization.WordpieceTokenizer):
  """Pieces of one or two characters of some of the alphabet."""

  def __init__(self):
    letters = "abziσς.か々ー東\u1100\u1161\u0307\u3099"
    pairs = ["".join(pair) for pair in itertools.product(letters, repeat=2)]
    texts = [*letters, *pairs[::3]]
    super().__init__(
      ["[UNK]", *texts, *(f"##{text}" for text in [*letters, *pairs[1::3]])]
    )


@pytest.fixture(scope="module")
def word_tokenizers(vocab_file):
  """FullTokenizer by switches, whose tokens are whole words."""
  found = {}
  for switches in SWITCHES:
    found[switches] = tokenization.FullTokenizer(vocab_file, *switches)
    found[switches].wordpiece_tokenizer = WholeWords()
  return found


def check_words(tokenizer, switches, text):
  expected = plain_tokenizer.words_of(text, *switches)
  assert tokenizer.basic_tokenizer.tokenize(text) == expected, ascii(text)
  assert tokenizer.tokenize(text) == expected, ascii(text)
  check_spans(tokenizer, switches, text)


def check_spans(tokenizer, switches, text):
  tokens, spans = tokenizer.tokenize_with_offsets(text)
  assert tokens == tokenizer.tokenize(text), ascii(text)
  assert len(tokens) == len(spans)
  # Lower-case sigma depends on what is around the span.
  one_sigma = str.maketrans("ς", "σ")
  last_start = last_end = 0
  for token, (start, end) in zip(tokens, spans, strict=True):
    assert last_start <= start < end <= len(text) and last_end <= end, ascii(text)
    last_start, last_end = start, end
    found = "".join(plain_tokenizer.words_of(text[start:end], *switches))
    piece = "" if token == "[UNK]" else token.removeprefix("##")
    assert piece.translate(one_sigma) in found.translate(one_sigma), ascii(text)


class TestEveryCodePoint:
  @pytest.mark.parametrize("switches", DISTINCT_SWITCHES)
  def test_special_characters_in_all_pairs(self, word_tokenizers, switches):
    # A sigma changes the way of its whole line, so it has lines of its own.
    for first in SPECIAL:
      for others in (SPECIAL.replace("Σ", ""), "Σ"):
        text = " ".join(f"a{first}{second}a" for second in others)
        check_words(word_tokenizers[switches], switches, text)

  @pytest.mark.parametrize("switches", [(False, None, True), (True, None, True)])
  def test_assigned_outside_the_large_blocks(self, word_tokenizers, switches):
    """Ideographs, Hangul and private use are sampled; surrogates are all there."""
    code_points = [
      code
      for code in range(0x110000)
      if code % 97 == 0 or unicodedata.category(chr(code)) not in ("Cn", "Co", "Lo")
    ]
    for form in ("aB{0}あ.{0} {0}{0}Ω", "ΑΣ{0}Β ΑΣ.{0}"):
      for line in in_contexts(code_points, form):
        check_words(word_tokenizers[switches], switches, line)

  @pytest.mark.slow
  @pytest.mark.parametrize("switches", DISTINCT_SWITCHES)
  def test_all(self, word_tokenizers, switches):
    tokenizer = word_tokenizers[switches]
    for line in in_contexts(range(0x110000), "a{0}B.{0}"):
      expected = plain_tokenizer.words_of(line, *switches)
      assert tokenizer.basic_tokenizer.tokenize(line) == expected, ascii(line)
      tokens, spans = tokenizer.tokenize_with_offsets(line)
      assert tokens == expected and len(spans) == len(tokens), ascii(line)

  @pytest.mark.parametrize("switches", DISTINCT_SWITCHES)
  def test_ends_of_the_ideograph_ranges(self, word_tokenizers, switches):
    for first, last in plain_tokenizer.IDEOGRAPHS:
      for line in in_contexts([first - 1, first, last, last + 1], "a{0}b"):
        check_words(word_tokenizers[switches], switches, line)

  def test_kept_marks_that_can_change_places_are_known(self):
    for code in range(0x110000):
      decomposed = unicodedata.normalize("NFD", chr(code))
      if any(
        unicodedata.combining(c) and unicodedata.category(c) != "Mn" for c in decomposed
      ):
        assert tokenization._CONTEXTUAL.search(chr(code)), hex(code)


class TestAgainstPlainRules:
  @settings(max_examples=300, deadline=None)
  @given(text=TEXTS, switches=st.sampled_from(SWITCHES))
  def test_words_and_spans(self, word_tokenizers, text, switches):
    check_words(word_tokenizers[switches], switches, text)

  @settings(max_examples=300, deadline=None)
  @given(text=TEXTS, switches=st.sampled_from(SWITCHES))
  def test_pieces_and_spans(self, vocab_file, text, switches):
    tokenizer = tokenization.FullTokenizer(vocab_file, *switches)
    tokenizer.wordpiece_tokenizer = SmallPieces()
    words = plain_tokenizer.words_of(text, *switches)
    vocab = tokenizer.wordpiece_tokenizer.vocab
    expected = [p for word in words for p in plain_tokenizer.pieces_of(word, vocab)]
    assert tokenizer.tokenize(text) == expected
    check_spans(tokenizer, switches, text)

  @settings(max_examples=300, deadline=None)
  @given(
    word=st.text("ab#", max_size=12),
    tokens=st.lists(st.text("ab#", max_size=5), max_size=12),
  )
  def test_longest_piece_first(self, word, tokens):
    vocab = ["[UNK]", *tokens]
    pieces = tokenization.WordpieceTokenizer(vocab).tokenize(word)
    # "##" alone continues nothing.
    assert pieces == plain_tokenizer.pieces_of(word, set(vocab) - {""})

  @pytest.mark.parametrize(
    ("vocab", "switches"),
    [
      ("uncased_en_30522.txt", (True, None, True)),
      ("bert-base-japanese-v3_32768.txt", (False, None, True)),
      ("multi_cased_119547.txt", (True, False, False)),
    ],
  )
  def test_public_texts(self, vocab, switches):
    lines = shared("data/mrpc/dev.tsv").read_text("utf-8").split("\n")[:150]
    with tarfile.open(shared("data/livedoor/ldcc-20140209.tar.gz")) as archive:
      articles = (entry for entry in archive if entry.name.endswith(".txt"))
      for entry in itertools.islice(articles, 20):
        lines += archive.extractfile(entry).read().decode("utf-8").split("\n")
    vocab_file = str(shared("data/vocab") / vocab)
    tokenizer = tokenization.FullTokenizer(vocab_file, *switches)
    for line in lines:
      words = plain_tokenizer.words_of(line, *switches)
      expected = [
        piece
        for word in words
        for piece in plain_tokenizer.pieces_of(word, tokenizer.vocab)
      ]
      assert tokenizer.tokenize(line) == expected
      assert tokenizer.encode(line) == [tokenizer.vocab[piece] for piece in expected]
      check_spans(tokenizer, switches, line)


def library_words(lower, accents=None):
  """Text to words by the library `tokenizers`, an implementation of others."""
  library = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
  normalizer = library.normalizers.BertNormalizer(
    lowercase=lower, strip_accents=accents
  )
  splitter = library.pre_tokenizers.BertPreTokenizer()

  def words(text):
    pairs = splitter.pre_tokenize_str(normalizer.normalize_str(text))
    return [word for word, _ in pairs]

  return words


def is_known_difference(character):
  """Whether `tokenizers` is known to treat a character in another way.

  It drops private use, which the original keeps. Its tables (categories, lower case,
  ideographs, of which it leaves out U+2B820 to U+2B91F) are of other versions of
  Unicode than Python's, so only characters are compared that were there in Unicode 3.2
  with the category of today.
  """
  category = unicodedata.category(character)
  return (
    category in ("Co", "Cs", "Cn")  # Surrogates cannot be passed to it.
    or category != unicodedata.ucd_3_2_0.category(character)
  )


class TestAgainstTheLibrary:
  @pytest.mark.parametrize("switches", [(False, None), (True, None), (True, False)])
  def test_characters(self, switches):
    words = library_words(*switches)
    basic = tokenization.BasicTokenizer(*switches)
    compared = 0
    for character in map(chr, range(0x110000)):
      # Ideographs and Hangul are many and alike.
      many = unicodedata.category(character) == "Lo" and ord(character) % 17
      if not many and not is_known_difference(character):
        text = f"a{character}b"
        assert basic.tokenize(text) == words(text), ascii(text)
        compared += 1
    assert compared > 10_000

  def test_it_keeps_no_final_sigma(self):
    assert tokenization.BasicTokenizer().tokenize("ΟΔΟΣ") == ["οδος"]
    assert library_words(True)("ΟΔΟΣ") == ["οδοσ"]

  @pytest.mark.parametrize(
    "count", [3_000, pytest.param(200_000, marks=pytest.mark.slow)]
  )
  @pytest.mark.parametrize(
    ("vocab", "lower"),
    [
      ("multi_cased_119547.txt", False),
      ("bert-base-japanese-v3_32768.txt", True),
      ("chinese_21128.txt", True),
    ],
  )
  def test_livedoor_lines(self, vocab, lower, count):
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    archive = str(shared("data/livedoor/ldcc-20140209.tar.gz"))
    vocab_file = str(shared("data/vocab") / vocab)
    source = tokenizer_benchmark.Source(vocab_file, lower)
    lines = [
      line
      for line in tokenizer_benchmark.livedoor_lines(archive, count)
      if not any(unicodedata.category(character) == "Co" for character in line)
    ]
    theirs = tokenizer_benchmark.make_library(source)(lines)
    ours = tokenizer_benchmark.make_google(source)(lines)
    for line, their, (tokens, ids) in zip(lines, theirs, ours, strict=True):
      assert tokens == their.tokens and ids == their.ids, line


class TestFullTokenizer:
  def test_fixture_of_the_original(self, vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    tokens = tokenizer.tokenize("UNwant\u00e9d,running")
    assert tokens == ["un", "##want", "##ed", ",", "runn", "##ing"]
    assert tokenizer.convert_tokens_to_ids(tokens) == [7, 4, 5, 10, 8, 9]
    assert tokenizer.convert_ids_to_tokens([7, 4, 5, 10, 8, 9]) == tokens
    assert tokenizer.encode("UNwant\u00e9d,running") == [7, 4, 5, 10, 8, 9]

  def test_outputs_of_the_original(self):
    cases = json.loads(shared("golden/model/tokenization.json").read_text("utf-8"))
    tokenizer = tokenization.FullTokenizer(
      str(shared("data/vocab/uncased_en_30522.txt"))
    )
    assert cases
    for case in cases:
      assert tokenizer.basic_tokenizer.tokenize(case["text"]) == case["basic"]
      assert tokenizer.tokenize(case["text"]) == case["tokens"]
      assert tokenizer.convert_tokens_to_ids(case["tokens"]) == case["ids"]
      assert tokenizer.encode(case["text"]) == case["ids"]

  def test_special_tokens_in_text_are_not_protected(self, word_tokenizers):
    tokens = word_tokenizers[True, None, True].tokenize("[CLS]x")
    assert tokens == ["[", "cls", "]", "x"]

  def test_bytes_lose_their_invalid_parts(self, vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    assert tokenizer.tokenize(b"wa\xffnt") == ["want"]
    assert tokenizer.tokenize_with_offsets(b"wa\xffnt") == (["want"], [(0, 4)])

  @pytest.mark.parametrize("text", [None, 3, ["a"]])
  def test_other_types_raise(self, vocab_file, text):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    for call in (
      tokenizer.tokenize,
      tokenizer.tokenize_with_offsets,
      tokenizer.encode,
      tokenizer.basic_tokenizer.tokenize,
      tokenizer.wordpiece_tokenizer.tokenize,
    ):
      with pytest.raises(ValueError, match="expected text as str or bytes, got "):
        call(text)

  def test_spans_reach_over_removed_marks_and_split_characters(self, word_tokenizers):
    tokenizer = word_tokenizers[True, None, True]
    text = " Cafe\u0301 か\u3099、x\u200by \u200b "
    tokens, spans = tokenizer.tokenize_with_offsets(text)
    assert tokens == ["cafe", "か", "、", "xy"]
    parts = [text[start:end] for start, end in spans]
    assert parts == ["Cafe\u0301", "か\u3099", "、", "x\u200by"]

  def test_pieces_of_one_character_share_its_span(self, tmp_path):
    path = write_vocab(tmp_path, ["[UNK]", "[CLS]", "[SEP]", "ᄀ", "##ᅡ", "##ᆨ", "b"])
    found = tokenization.FullTokenizer(path).tokenize_with_offsets("각 각b b")
    # The second word has no cover.
    assert found == (
      ["ᄀ", "##ᅡ", "##ᆨ", "[UNK]", "b"],
      [(0, 1), (0, 1), (0, 1), (2, 4), (5, 6)],
    )

  def test_pieces_of_marks_that_change_places_have_the_span_of_all(self, tmp_path):
    low, high = "\u302e", "\U0001d165"
    tokens = ["[UNK]", "[CLS]", "[SEP]", "a", f"##{low}", f"##{high}", "##b"]
    tokenizer = tokenization.FullTokenizer(write_vocab(tmp_path, tokens))
    assert tokenizer.tokenize_with_offsets(f"a,a{low}{high}b") == (
      ["a", "[UNK]", "a", f"##{high}", f"##{low}", "##b"],
      [(0, 1), (1, 2), *[(2, 6)] * 4],
    )

  def test_text_without_words(self, vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    for text in ("", "  ", "\u200b", " \x00\u3000\u200b \n"):
      assert tokenizer.tokenize(text) == []
      assert tokenizer.encode(text) == []
      assert tokenizer.tokenize_with_offsets(text) == ([], [])

  def test_long_white_space_takes_linear_time(self, vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file)
    space = " " * 1_000_000
    text = f"{space}want{space}"
    assert tokenizer.tokenize_with_offsets(text) == (
      ["want"],
      [(len(space), len(space) + 4)],
    )

  def test_accents_can_stay_when_lower_casing(self, vocab_file):
    tokenizer = tokenization.FullTokenizer(vocab_file, strip_accents=False)
    tokenizer.wordpiece_tokenizer = WholeWords()
    assert tokenizer.tokenize("パンダ Ｂガス") == ["パンダ", "ｂガス"]

  def test_settings_build_an_equal_tokenizer(self, vocab_file):
    first = tokenization.FullTokenizer(vocab_file, True, False, False)
    assert first.settings == {
      "do_lower_case": True,
      "strip_accents": False,
      "tokenize_chinese_chars": False,
    }
    second = tokenization.FullTokenizer(vocab_file, **first.settings)
    assert second.fingerprint == first.fingerprint

  def test_fingerprint_differs_where_results_can(self, tmp_path, vocab_file):
    def fingerprint(path, *switches):
      return tokenization.FullTokenizer(path, *switches).fingerprint

    other = write_vocab(tmp_path, [*FIXTURE[:-2], ",", "##ing"])
    kinds = [fingerprint(vocab_file, *switches) for switches in DISTINCT_SWITCHES]
    assert len({*kinds, fingerprint(other)}) == len(kinds) + 1
    assert all(len(bytes.fromhex(kind)) == 32 for kind in kinds)
    # None means as do_lower_case.
    assert fingerprint(vocab_file, True, None) == fingerprint(vocab_file, True, True)
    same = write_vocab(tmp_path, FIXTURE, "copy.txt")
    assert fingerprint(same) == fingerprint(vocab_file)

  def test_pickles_without_caches_and_file(self, tmp_path):
    path = write_vocab(tmp_path, FIXTURE)
    tokenizer = tokenization.FullTokenizer(path, True, False, True)
    empty = len(pickle.dumps(tokenizer))
    expected = tokenizer.tokenize_with_offsets("wanted, RUNNING " * 3 + "a" * 50)
    tokenizer.encode("wanted")
    pathlib.Path(path).unlink()
    data = pickle.dumps(tokenizer)
    assert len(data) == empty
    copy = pickle.loads(data)
    assert copy.tokenize_with_offsets("wanted, RUNNING " * 3 + "a" * 50) == expected
    assert copy.vocab == tokenizer.vocab and copy.inv_vocab == tokenizer.inv_vocab
    assert copy.fingerprint == tokenizer.fingerprint

  def test_caches_stay_bounded(self, vocab_file, monkeypatch):
    monkeypatch.setattr(tokenization.Cache, "_MAX_ENTRIES", 5)
    tokenizer = tokenization.FullTokenizer(vocab_file)
    for number in range(40):
      text = f"want {number} {'9' * 100}"
      assert tokenizer.tokenize(text) == ["want", "[UNK]", "[UNK]"]
      tokenizer.tokenize_with_offsets(text)
      tokenizer.encode(text)
      assert max(map(len, (tokenizer._pieces, tokenizer._steps, tokenizer._ids))) <= 5
      assert max(map(len, tokenizer._pieces)) < 100

  def test_vocabulary_without_special_tokens_is_refused(self, tmp_path):
    path = write_vocab(tmp_path, ["[UNK]", "[CLS]\t0", "a"])
    with pytest.raises(ValueError) as error:
      tokenization.FullTokenizer(path)
    assert str(error.value) == (
      f"{path}: expected [CLS], [SEP], [UNK] among its 3 tokens, found no [CLS], [SEP]; "
      "give the vocabulary of a BERT model, one token a line and no scores"
    )

  def test_import_does_not_load_tensorflow(self, vocab_file):
    code = (
      "import sys; from bert_ja import tokenization; "
      f"tokenization.FullTokenizer({vocab_file!r}).tokenize('wanted'); "
      "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestBasicTokenizer:
  def test_accents_follow_case_by_default(self):
    assert tokenization.BasicTokenizer(True).strip_accents is True
    assert tokenization.BasicTokenizer(False).strip_accents is False
    assert tokenization.BasicTokenizer(False, True).strip_accents is True

  def test_voicing_marks(self):
    """Contract A-76: kept as the default of uncased models."""
    text = "がパ\uff76\uff9e"
    assert tokenization.BasicTokenizer().tokenize(text) == ["かハ\uff76\uff9e"]
    assert tokenization.BasicTokenizer(True, False).tokenize(text) == [text]

  def test_ideographs_can_stay_together(self):
    basic = tokenization.BasicTokenizer(tokenize_chinese_chars=False)
    assert basic.tokenize("東京、𠮷野") == ["東京", "、", "𠮷野"]
    assert tokenization.BasicTokenizer().tokenize("東京𠮷野々") == list("東京𠮷野々")

  @given(text=TEXTS, switches=st.sampled_from(SWITCHES))
  def test_units_cover_the_text(self, text, switches):
    units = tokenization.BasicTokenizer(*switches).split_units(text)
    assert "".join(units) == text.rstrip()

  def test_pickles(self):
    basic = tokenization.BasicTokenizer(True, False, False)
    basic.tokenize("あ")
    assert pickle.loads(pickle.dumps(basic)).settings == basic.settings


class TestWordpieceTokenizer:
  def test_cases_of_the_rule(self):
    tokenize = tokenization.WordpieceTokenizer(FIXTURE).tokenize
    assert tokenize("") == []
    assert tokenize("unwanted  running") == ["un", "##want", "##ed", "runn", "##ing"]
    assert tokenize("unwantedX running") == ["[UNK]", "runn", "##ing"]
    assert tokenize(b"want") == ["want"]

  def test_words_of_more_than_200_characters(self):
    tokenizer = tokenization.WordpieceTokenizer(["[UNK]", "a", "##a"])
    assert tokenizer.tokenize("a" * 200) == ["a"] + ["##a"] * 199
    assert tokenizer.tokenize("a" * 201) == ["[UNK]"]

  def test_limit_and_unknown_token_can_be_chosen(self):
    tokenizer = tokenization.WordpieceTokenizer(["a", "##a"], "<unk>", 2)
    assert tokenizer.tokenize("aa aaa b") == ["a", "##a", "<unk>", "<unk>"]


class TestVocabulary:
  def write(self, folder, data):
    path = folder / "vocab.txt"
    path.write_bytes(data)
    return str(path)

  def test_blank_lines_count_and_the_later_id_stays(self, tmp_path):
    path = self.write(tmp_path, "a\n\n b \r\na\n\u3000\nc\u2028".encode())
    vocab = tokenization.load_vocab(path)
    assert list(vocab.items()) == [("a", 3), ("", 4), ("b", 2), ("c", 5)]

  def test_byte_order_mark_is_no_part_of_a_token(self, tmp_path):
    path = self.write(tmp_path, b"\xef\xbb\xbf[PAD]\n")
    assert tokenization.load_vocab(path) == {"[PAD]": 0}

  def test_missing_file(self, tmp_path):
    path = str(tmp_path / "none.txt")
    with pytest.raises(FileNotFoundError) as error:
      tokenization.load_vocab(path)
    assert str(error.value) == (
      f"{path} does not exist; expected a vocabulary with one token a line (--vocab_file)"
    )

  @pytest.mark.parametrize("data", [b"", b"\n", b" \n\t\n"])
  def test_file_without_tokens(self, tmp_path, data):
    path = self.write(tmp_path, data)
    with pytest.raises(ValueError) as error:
      tokenization.load_vocab(path)
    assert str(error.value) == (
      f"{path} holds no token; expected a vocabulary with one token a line (--vocab_file)"
    )

  def test_other_encoding(self, tmp_path):
    path = self.write(tmp_path, "a\nあ\n".encode("cp932"))
    with pytest.raises(ValueError, match="line 2: expected UTF-8"):
      tokenization.load_vocab(path)

  def test_conversion_is_strict(self):
    vocab = {"a": 0, "b": 1}
    assert tokenization.convert_tokens_to_ids(vocab, ["b", "a"]) == [1, 0]
    assert tokenization.convert_ids_to_tokens({1: "b"}, [1]) == ["b"]
    with pytest.raises(KeyError, match="token 'c' is not among the 2 entries .*; use"):
      tokenization.convert_tokens_to_ids(vocab, ["a", "c"])
    with pytest.raises(KeyError, match="id 7 is not among the 1 entries"):
      tokenization.convert_by_vocab({1: "b"}, [7])


class TestText:
  def test_unicode_and_printable_text(self):
    for convert in (tokenization.convert_to_unicode, tokenization.printable_text):
      assert convert("あ") == convert("あ".encode() + b"\xff") == "あ"
      with pytest.raises(ValueError, match="got int; convert it first"):
        convert(1)

  def test_white_space(self):
    assert tokenization.whitespace_tokenize(" a\u3000b\n") == ["a", "b"]
    assert tokenization.whitespace_tokenize(" ") == []


class TestCaseCheck:
  LOWER = (
    "uncased_L-12_H-768_A-12",
    "uncased_L-24_H-1024_A-16",
    "uncased_L-2_H-128_A-2",
    "uncased_L-10_H-256_A-4",
    "wwm_uncased_L-24_H-1024_A-16",
    "multilingual_L-12_H-768_A-12",
    "chinese_L-12_H-768_A-12",
  )
  CASED = (
    "cased_L-12_H-768_A-12",
    "cased_L-24_H-1024_A-16",
    "multi_cased_L-12_H-768_A-12",
    "wwm_cased_L-24_H-1024_A-16",
  )

  @pytest.mark.parametrize("lower", [False, True])
  def test_mismatch_raises(self, lower):
    for root in ("gs://bucket/", "/models/", ""):
      for model in self.LOWER if lower else self.CASED:
        checkpoint = f"{root}{model}/bert_model.ckpt"
        tokenization.validate_case_matches_checkpoint(lower, checkpoint)
        with pytest.raises(ValueError) as error:
          tokenization.validate_case_matches_checkpoint(not lower, checkpoint)
        kind = "lower-case" if lower else "cased"
        assert str(error.value) == (
          f"--do_lower_case={not lower} does not fit --init_checkpoint={checkpoint}: "
          f"{model} is a {kind} model; pass --do_lower_case={lower}"
        )

  @pytest.mark.parametrize(
    "checkpoint",
    [
      None,
      "",
      "bert_model.ckpt",
      "/models/mine/bert_model.ckpt",
      "/models/uncased_L-12_H-768_A-12/model.ckpt-100",
      "/models/uncased_L-3_H-128_A-2/bert_model.ckpt",
    ],
  )
  def test_what_is_not_known_passes(self, checkpoint):
    for lower in (False, True):
      tokenization.validate_case_matches_checkpoint(lower, checkpoint)

  def test_all_24_small_models_are_known(self):
    assert sum(m.startswith("uncased_") for m in tokenization._LOWER_CASE_MODELS) == 25
