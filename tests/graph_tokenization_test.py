"""Tokenizers in the graph give what the Python tokenizers give, or the plain rules."""

import collections
import io
import itertools
import random
import sys
import tarfile
import unicodedata

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain_tokenizer
from bert_ja import graph_tokenization, japanese_tokenization, tokenization
from bert_ja.data import pair_features
from bert_ja.ja import normalization, segmenters, sentence_piece
from tests.ja.texts import in_contexts, shared

pytest.importorskip("tensorflow_text", reason="needs the extra bert_ja[text]")

FIXTURE = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn"]
FIXTURE += ["##ing", ",", "か", "##っ", "##た", "東", "京", "[PAD]", "σ", "##ς"]
SWITCHES = [(False, None, True), (True, None, True), (True, False, False)]
# Kept combining marks: the order of several in a row is all that is not the same.
MARKS = "\u302e\u302f\U0001d165\U0001d16d\U00016ff0"
SURROGATES = range(0xD800, 0xE000)

# What the rules treat specially, and what Σ looks at.
SPECIAL = (
  "aBzİßΣσςΑ \t\n\r\x00\x0b\x1c\x85\xa0\u2028\u2029\u3000\u200b\ufeff\ufffd.,:'$^`[]#"
  "é\u0301\u0338=≠\u1e9bがパか\u3099々ー、。「・東京\uf900\uff76\uff9eＡ１ªʰ\u0345"
  "각\u1100\u1161😀𠮷\U0002f800\U000e0100\U0010ffff"
)
TEXTS = st.text(
  st.one_of(
    st.sampled_from(SPECIAL),
    st.characters(exclude_categories=["Cs"]).filter(
      lambda c: not tokenization._CONTEXTUAL.match(c)
    ),
  ),
  max_size=30,
)


def livedoor_lines(count):
  with tarfile.open(shared("data/livedoor/ldcc-20140209.tar.gz")) as archive:
    lines = (
      line
      for entry in archive
      if entry.name.endswith(".txt") and entry.isfile()
      for line in archive.extractfile(entry).read().decode("utf-8").split("\n")
    )
    return list(itertools.islice(filter(None, lines), count))


def decoded(ragged):
  return [[item.decode("utf-8") for item in row] for row in ragged.to_list()]


@pytest.fixture(scope="module")
def full_tokenizers(tmp_path_factory):
  """(FullTokenizer, the one in the graph) by switches, with FIXTURE."""
  path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
  path.write_text("\n".join(FIXTURE) + "\n", encoding="utf-8")
  found = {}
  for switches in SWITCHES:
    tokenizer = tokenization.FullTokenizer(str(path), *switches)
    found[switches] = tokenizer, graph_tokenization.create(tokenizer)
  return found


@pytest.fixture(scope="module")
def uncased(full_tokenizers):
  return full_tokenizers[True, None, True]


def check_words(in_graph, switches, texts):
  found = decoded(
    in_graph.words(tf.constant([x.encode("utf-8") for x in texts], tf.string))
  )
  for text, words in zip(texts, found, strict=True):
    assert words == plain_tokenizer.words_of(text, *switches), ascii(text)


class TestFullGraphTokenizer:
  @pytest.mark.parametrize("switches", SWITCHES)
  def test_assigned_code_points(self, full_tokenizers, switches):
    """Ideographs, Hangul and private use are sampled."""
    code_points = [
      code
      for code in range(0x110000)
      if code not in SURROGATES
      and (code % 97 == 0 or unicodedata.category(chr(code)) not in ("Cn", "Co", "Lo"))
    ]
    for first, last in plain_tokenizer.IDEOGRAPHS:  # Some ends are not assigned.
      code_points += [first - 1, first, last, last + 1]
    texts = list(in_contexts(code_points, "a{0}B {0}Σ Α{0}Σ ΑΣ{0}Β"))
    check_words(full_tokenizers[switches][1], switches, texts)

  @pytest.mark.slow
  @pytest.mark.parametrize("switches", SWITCHES)
  def test_all_code_points(self, full_tokenizers, switches):
    """All but surrogates, which UTF-8 does not have."""
    tokenizer, in_graph = full_tokenizers[switches]
    code_points = (code for code in range(0x110000) if code not in SURROGATES)
    texts = list(in_contexts(code_points, "a{0}b {0}c"))
    words = decoded(in_graph.words([text.encode("utf-8") for text in texts]))
    assert words == list(map(tokenizer.basic_tokenizer.tokenize, texts))
    assert graph_tokenization.agreement(in_graph, tokenizer, texts, None, 4096) == []

  @settings(max_examples=200, deadline=None)
  @given(texts=st.lists(TEXTS, max_size=4), switches=st.sampled_from(SWITCHES))
  def test_random_texts(self, full_tokenizers, texts, switches):
    check_words(full_tokenizers[switches][1], switches, texts)

  def test_final_sigma_in_all_contexts(self, uncased):
    letters = "ΑΣσ.'ʰ\u0345\u0301\u200b 東"
    texts = ["".join(text) for text in itertools.product(letters, "Σσ", letters, "Σa")]
    check_words(uncased[1], (True, None, True), texts)

  def test_order_of_kept_marks_is_the_known_exception(self, full_tokenizers):
    text = "a\u302e\U0001d165".encode()
    python, in_graph = full_tokenizers[True, None, True]
    assert python.basic_tokenizer.tokenize(text) == ["a\U0001d165\u302e"]
    assert decoded(in_graph.words([text])) == [["a\u302e\U0001d165"]]
    # One between other characters has no order; without accent stripping none changes.
    check_words(in_graph, (True, None, True), [f"a{mark}b,{mark}" for mark in MARKS])
    pairs = ["".join(pair) for pair in itertools.product(MARKS, MARKS)]
    check_words(full_tokenizers[False, None, True][1], (False, None, True), pairs)

  def test_fixture_of_the_original(self, uncased):
    found = uncased[1](["UNwant\u00e9d,running", "\u6771\u4eac かった", ""])
    assert found.dtype == tf.int32
    assert found.to_list() == [[7, 4, 5, 10, 8, 9], [14, 15, 11, 12, 13], []]

  def test_texts_without_words(self, uncased):
    texts = ["", " ", "\u200b", " \x00\u3000\u200b \n"]
    assert uncased[1](texts).to_list() == [[], [], [], []]
    assert uncased[1](tf.constant([], tf.string)).to_list() == []

  def test_bytes_lose_their_invalid_parts(self, uncased):
    rng = random.Random(0)
    parts = [
      b"wa",
      b"nt",
      "か".encode(),
      "か".encode()[:2],
      b"\xed\xa0\x80",
      b"\xc0\xaf",
    ]
    parts += [b"\xff", b"\xf4\x90\x80\x80", b"\xf0\x9f", b"\x80", b" "]
    texts = [b"".join(rng.choices(parts, k=6)) for _ in range(500)]
    assert uncased[1]([b"wa\xffnt"]).to_list() == [[3]]
    tokenizer, in_graph = uncased
    assert graph_tokenization.agreement(in_graph, tokenizer, texts) == []
    words = decoded(in_graph.words(texts))
    assert words == [tokenizer.basic_tokenizer.tokenize(text) for text in texts]

  @pytest.mark.parametrize(
    ("vocab", "switches"),
    [
      ("multi_cased_119547.txt", (False, None, True)),
      ("multi_cased_119547.txt", (True, False, False)),
      ("uncased_en_30522.txt", (True, None, True)),
    ],
  )
  def test_public_texts(self, vocab, switches):
    lines = livedoor_lines(2000)
    tokenizer = tokenization.FullTokenizer(str(shared("data/vocab") / vocab), *switches)
    in_graph = graph_tokenization.create(tokenizer)
    assert graph_tokenization.agreement(in_graph, tokenizer, lines) == []


def pieces_of(vocab, texts, **options):
  """Pieces from the graph, by a vocabulary of tokens in order."""
  in_graph = graph_tokenization.WordpieceGraphTokenizer(
    {token: index for index, token in enumerate(vocab)}, **options
  )
  return [[vocab[index] for index in row] for row in in_graph(texts).to_list()]


class TestWordpieceGraphTokenizer:
  @settings(max_examples=25, deadline=None)
  @given(
    words=st.lists(st.text("abか#", min_size=1, max_size=9), min_size=9),
    tokens=st.sets(
      st.text("abか", min_size=1, max_size=4).flatmap(
        lambda text: st.sampled_from([text, f"##{text}", f"#{text}", "#", "##", "###"])
      )
    ),
  )
  def test_longest_piece_first(self, words, tokens):
    vocab = ["[UNK]", *sorted(tokens)]
    expected = [p for word in words for p in plain_tokenizer.pieces_of(word, vocab)]
    assert pieces_of(vocab, [" ".join(words)]) == [expected]

  def test_words_of_more_than_200_characters(self):
    texts = [text * 200 for text in ("a", "か", "𠮷")] + ["か" * 201, "a" * 201]
    vocab = ["[UNK]", "a", "##a", "か", "##か", "𠮷", "##𠮷"]
    assert pieces_of(vocab, texts) == [
      *[[c, *[f"##{c}"] * 199] for c in "aか𠮷"],
      ["[UNK]"],
      ["[UNK]"],
    ]

  def test_limit_and_unknown_token_can_be_chosen(self):
    found = pieces_of(
      ["a", "##a", "<unk>"],
      ["aa aaa b"],
      unk_token="<unk>",
      max_input_chars_per_word=2,
    )
    assert found == [["a", "##a", "<unk>", "<unk>"]]

  def test_only_spaces_separate_words(self):
    found = pieces_of(["[UNK]", "か", "\u3000", "か\tか"], [" か \u3000  か\tか "])
    assert found == [["か", "\u3000", "か\tか"]]

  def test_lower_case_of_each_word(self):
    vocab = ["[UNK]", "ας", "σ", "τ", "i\u0307", "Τ"]
    texts = ["ΑΣ Σ Τ", "İ"]
    assert pieces_of(vocab, texts, do_lower_case=True) == [
      ["ας", "σ", "τ"],
      ["i\u0307"],
    ]
    assert pieces_of(vocab, texts) == [["[UNK]", "[UNK]", "Τ"], ["[UNK]"]]

  def test_ids_are_those_of_the_vocabulary(self):
    # As `load_vocab` reads a repeated and a blank line.
    vocab = {"a": 7, "": 4, "[UNK]": 2, "##b": 5}
    in_graph = graph_tokenization.WordpieceGraphTokenizer(vocab)
    assert in_graph(["ab a c", ""]).to_list() == [[7, 5, 7, 2], []]

  def test_vocabulary_without_the_unknown_token(self):
    with pytest.raises(ValueError) as error:
      graph_tokenization.WordpieceGraphTokenizer({"a": 0})
    assert str(error.value) == (
      "expected the unknown token '[UNK]' among the 1 entries of the vocabulary; give "
      "it, or name another unk_token"
    )


class SentencePieces:
  """The Python side: pieces of the sentencepiece package, ids of a vocabulary."""

  def __init__(self, vocab, model, lower, unk_id):
    sentencepiece = pytest.importorskip("sentencepiece")
    self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    self.vocab, self.lower, self.unk_id = vocab, lower, unk_id

  def tokenize(self, text):
    text = text.decode("utf-8", "ignore") if isinstance(text, bytes) else text
    return self.processor.encode(text.lower() if self.lower else text, out_type=str)

  def convert_tokens_to_ids(self, pieces):
    return [self.vocab.get(piece, self.unk_id) for piece in pieces]

  def encode(self, text):
    return self.convert_tokens_to_ids(self.tokenize(text))


@pytest.fixture(scope="module")
def small_model():
  """A SentencePiece model of 60 pieces."""
  sentencepiece = pytest.importorskip("sentencepiece")
  nouns = ["ねこ", "いぬ", "本", "駅", "map", "ας"]
  verbs = ["をみた", "がすきだ", "へいった", "はどこですか", " is here"]
  sentences = ["".join(pair) for pair in itertools.product(nouns, verbs)]
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(sentences * 3),
    model_writer=model,
    vocab_size=60,
    hard_vocab_limit=False,
    num_threads=1,
    minloglevel=2,
  )
  return model.getvalue()


class TestSentencePieceGraphTokenizer:
  def pair(self, model, lower=True):
    """Both sides, with a vocabulary in another order than the model's, some left out."""
    python = SentencePieces({}, model, lower, 3)
    size = python.processor.get_piece_size()
    pieces = [python.processor.id_to_piece(index) for index in range(size)]
    python.vocab = {p: 5 + i for i, p in enumerate(reversed(pieces)) if i % 7}
    in_graph = graph_tokenization.SentencePieceGraphTokenizer(
      python.vocab, model, do_lower_case=lower, unk_id=3, pad_id=4
    )
    return python, in_graph

  @pytest.mark.parametrize("lower", [False, True])
  def test_equals_the_package(self, small_model, lower):
    python, in_graph = self.pair(small_model, lower)
    texts = [
      "ねこがすきだ。駅はどこですか",
      "MAP ΜΑΣ ΑΣ。Α",
      "",
      "  ",
      "\u3000本 ",
      "\u2581",
    ]
    texts += [
      "いぬ\x00ねこ",
      "いぬ\u200bねこ\n",
      "ﾈｺ㍿",
      "𠮷😀",
      "</s><unk>本",
      b"\xe3\x81a\xffb",
    ]
    assert graph_tokenization.agreement(in_graph, python, texts) == []
    found = in_graph(["ねこをみた MAP"])
    assert found.dtype == tf.int32 and len(set(found.to_list()[0])) > 3

  def test_every_code_point_is_lower_cased_as_in_python(self, small_model):
    lower = self.pair(small_model)[1]._lower_case
    texts = [
      f"{c}ΑΣ{c} Α{c}Σ" for c in map(chr, range(0x110000)) if ord(c) not in SURROGATES
    ]
    found = lower(tf.constant([text.encode("utf-8") for text in texts])).numpy()
    assert [text.decode("utf-8") for text in found] == [text.lower() for text in texts]

  def test_public_texts(self):
    """Equal, but for the order of pieces where two orders have the same score."""
    lines = livedoor_lines(5000)
    folder = shared("data/sentencepiece_ja")
    model = (folder / "wiki-ja_albert.model").read_bytes()
    rows = (folder / "wiki-ja_albert.vocab").read_text("utf-8").rstrip("\n").split("\n")
    vocab = {row.split("\t")[0]: index for index, row in enumerate(rows)}
    python = SentencePieces(vocab, model, True, vocab["<unk>"])
    in_graph = graph_tokenization.SentencePieceGraphTokenizer(
      vocab, model, unk_id=vocab["<unk>"]
    )
    differing = graph_tokenization.agreement(in_graph, python, lines)
    assert len(differing) <= 5
    for _, expected, found in differing:
      assert collections.Counter(found) == collections.Counter(expected)


class TestPack:
  TEXTS = ["unwanted, running", "", "かった東京", "want " * 9, "wanted", " \u200b"]

  @pytest.mark.parametrize("length", [3, 4, 5, 8, 11, 16])
  def test_equals_convert_single_example(self, uncased, length):
    tokenizer, in_graph = uncased
    pairs = [(a, None) for a in self.TEXTS]
    pairs += list(itertools.product(self.TEXTS, self.TEXTS))
    singles = in_graph.pack([a for a, b in pairs if b is None], length)
    both = in_graph.pack(
      [a for a, b in pairs if b is not None],
      length,
      [b for _, b in pairs if b is not None],
    )
    for name in ("input_ids", "input_mask", "segment_ids"):
      expected = [
        getattr(
          pair_features.convert_single_example(
            9, pair_features.InputExample("", a, b), [], length, tokenizer
          ),
          name,
        )
        for a, b in pairs
      ]
      found = tf.concat([singles[name], both[name]], axis=0)
      assert found.dtype == tf.int32
      assert found.numpy().tolist() == expected

  def test_length_without_room(self, uncased):
    with pytest.raises(ValueError) as error:
      uncased[1].pack(["a"], 2)
    assert str(error.value) == (
      "max_seq_length=2 leaves no room for a token between [CLS] and [SEP]; the least is 3"
    )


class TestSavedModel:
  TEXTS = ["Unwanted, ΑΣ", "かった東京", "", b"wa\xffnt".decode("latin1"), "ΟΔΟΣ Σ"]

  def save(self, in_graph, folder):
    """Saves ids and packed input of raw strings, and loads them."""
    module = tf.Module()
    module.tokenizer = in_graph
    module.pack = tf.function(
      lambda texts: in_graph.pack(texts, 7),
      input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(folder))
    return tf.saved_model.load(str(folder))

  def check(self, in_graph, folder):
    expected = in_graph(self.TEXTS).to_list()
    packed = {k: v.numpy().tolist() for k, v in in_graph.pack(self.TEXTS, 7).items()}
    loaded = self.save(in_graph, folder)
    assert any(expected)
    assert loaded.tokenizer(tf.constant(self.TEXTS)).to_list() == expected
    found = loaded.pack(tf.constant(self.TEXTS))
    assert {k: v.numpy().tolist() for k, v in found.items()} == packed

  def test_full_tokenizer(self, uncased, tmp_path):
    self.check(uncased[1], tmp_path)

  def test_word_pieces(self, tmp_path):
    vocab = {token: index for index, token in enumerate(FIXTURE)}
    in_graph = graph_tokenization.WordpieceGraphTokenizer(vocab, do_lower_case=True)
    self.check(in_graph, tmp_path)

  def test_sentence_pieces(self, small_model, tmp_path):
    _, in_graph = TestSentencePieceGraphTokenizer().pair(small_model)
    self.check(in_graph, tmp_path)


class TestAgreement:
  def test_names_the_texts_that_differ(self, full_tokenizers):
    cased = full_tokenizers[False, None, True][0]
    in_graph = full_tokenizers[True, None, True][1]
    texts = ["want", "WANT", b"un", "\ud800WANT", "un"]
    found = graph_tokenization.agreement(in_graph, cased, iter(texts), batch_size=2)
    assert found == [("WANT", [0], [3]), ("\ud800WANT", [0], [3])]

  def test_text_can_be_prepared_for_the_graph(self, uncased):
    vocab = {token: index for index, token in enumerate(FIXTURE)}
    in_graph = graph_tokenization.WordpieceGraphTokenizer(vocab)
    texts = ["want,un", "東京"]
    basic = uncased[0].basic_tokenizer

    def segment(text):
      return " ".join(basic.tokenize(text))

    assert len(graph_tokenization.agreement(in_graph, uncased[0], texts)) == 2
    assert graph_tokenization.agreement(in_graph, uncased[0], texts, segment) == []


def segmented_tokenizer(pieces, **options):
  vocab = {token: index for index, token in enumerate(FIXTURE)}
  return japanese_tokenization.SegmentedTokenizer(
    vocab, normalization.Nfkc(), segmenters.Whitespace(), pieces(vocab), **options
  )


class TestCreate:
  def test_sentence_pieces(self, small_model, tmp_path):
    path = tmp_path / "wiki.model"
    path.write_bytes(small_model)
    python, _ = TestSentencePieceGraphTokenizer().pair(small_model)
    tokenizer = japanese_tokenization.SentencePieceTokenizer(
      {**python.vocab, "<pad>": 4, "<unk>": 3}, sentence_piece.SentencePiece(str(path))
    )
    in_graph = graph_tokenization.create(tokenizer)
    texts = ["ねこがすきだ。MAP", "𠮷", "", "\u3000ＭＡＰ is\x00 here"]
    assert graph_tokenization.agreement(in_graph, tokenizer, texts) == []
    assert (in_graph.unk_id, in_graph.pad_id) == (3, 4)

  @pytest.mark.parametrize("lower", [False, True])
  def test_word_pieces_after_segmentation(self, lower):
    def pieces(vocab):
      return tokenization.WordpieceTokenizer(vocab, max_input_chars_per_word=6)

    tokenizer = segmented_tokenizer(pieces, do_lower_case=lower)
    in_graph = graph_tokenization.create(tokenizer)
    texts = ["東京 かった", "Ｗａｎｔ WANTED running Σ", ""]

    def segment(text):
      return " ".join(tokenizer.segmenter.split(tokenizer.normalizer(text)))

    assert graph_tokenization.agreement(in_graph, tokenizer, texts, segment) == []
    assert in_graph.pad_id == FIXTURE.index("[PAD]")
    assert in_graph(["running WANT"]).to_list() == [[0, 3 if lower else 0]]

  def test_other_tokenizers_are_refused(self):
    characters = segmented_tokenizer(japanese_tokenization.CharacterTokenizer)
    kinds = [(tokenization.Tokenizer({"a": 0}), "Tokenizer")]
    for tokenizer, kind in [*kinds, (characters, "CharacterTokenizer")]:
      with pytest.raises(ValueError) as error:
        graph_tokenization.create(tokenizer)
      assert str(error.value) == (
        f"expected a tokenizer with SentencePiece or word pieces, got {kind}, which has "
        "no equal in a TensorFlow graph; tokenize outside of the graph"
      )

  def test_padding_id_is_the_tokenizers(self, uncased):
    assert uncased[1].pad_id == FIXTURE.index("[PAD]")

  def test_missing_package(self, uncased, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(ImportError) as error:
      graph_tokenization.create(uncased[0])
    assert str(error.value) == (
      'tokenizing in a TensorFlow graph needs tensorflow-text: pip install "bert_ja[text]"'
    )
