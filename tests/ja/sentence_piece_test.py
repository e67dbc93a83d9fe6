"""SentencePiece: the library's pieces and ids, spans on any text, clear failures."""

import itertools
import pickle
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings

from bert_ja.ja import sentence_piece
from tests.ja import texts

sentencepiece = pytest.importorskip("sentencepiece")

SENTENCES = [
  "犬は庭で、猫は居間で寝ています。",
  "朝は七時に起きて、駅まで歩きます。",
  "The dog sleeps in the garden, the cat in the living room.",
  "カレーとガムをデパートで買いました。",
  "明日の会議は三階の部屋で始まります。",
  "We walk to the station at seven in the morning.",
]
MODELS = {
  "unigram": {"normalization_rule_name": "nmt_nfkc"},
  "bpe": {"model_type": "bpe", "normalization_rule_name": "nfkc_cf"},
  "bytes": {"byte_fallback": True, "vocab_size": 380},
  "suffix": {"treat_whitespace_as_suffix": True},
  "raw": {
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
  },
  "symbols": {"user_defined_symbols": ["<犬>", "▁▁"]},
}


@pytest.fixture(scope="module", params=MODELS)
def trained(request, tmp_path_factory):
  """A small model of each kind, as (file, the library's processor)."""
  return train(tmp_path_factory.mktemp("model"), MODELS[request.param])


@pytest.fixture(scope="module")
def unigram(tmp_path_factory):
  path, _ = train(tmp_path_factory.mktemp("model"), MODELS["unigram"])
  return sentence_piece.SentencePiece(path)


def train(folder, options):
  options = {"vocab_size": 120, "hard_vocab_limit": False, **options}
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(SENTENCES * 3),
    model_prefix=str(folder / "small"),
    minloglevel=2,
    **options,
  )
  path = str(folder / "small.model")
  return path, sentencepiece.SentencePieceProcessor(model_file=path)


def for_library(text):
  return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


@given(text=texts.TEXTS)
@example("犬\u3000 猫  ")
@example("…㍿ﷺ")
@example("a´ ¨ ▁b▁")
@example("<0xE3><犬>")
@settings(max_examples=200, deadline=None)
def test_any_text_has_the_librarys_pieces_with_spans_in_order(trained, text):
  path, library = trained
  pieces, spans = sentence_piece.SentencePiece(path).pieces_with_spans(text)
  assert pieces == library.encode(for_library(text), out_type=str)
  assert len(spans) == len(pieces)
  texts.check_spans(text, spans)


@given(text=texts.TEXTS)
@settings(max_examples=200, deadline=None)
def test_ids_and_pieces_are_the_librarys(trained, text):
  path, library = trained
  model = sentence_piece.SentencePiece(path)
  assert model.ids(text) == library.encode(for_library(text))
  assert model.pieces(text) == library.encode(for_library(text), out_type=str)


@given(text=texts.TEXTS)
@settings(max_examples=400, deadline=None)
def test_normalized_spans_contain_their_pieces(unigram, text):
  library = sentencepiece.SentencePieceProcessor(model_file=unigram.model_file)
  for piece, (start, end) in zip(*unigram.pieces_with_spans(text), strict=True):
    part = library.normalize(for_library(text[start:end]))
    assert piece.strip("▁") in part


@given(text=texts.TEXTS)
@settings(max_examples=400, deadline=None)
def test_what_no_span_covers_is_white_space_or_dropped(unigram, text):
  library = sentencepiece.SentencePieceProcessor(model_file=unigram.model_file)
  _, spans = unigram.pieces_with_spans(text)
  covered = set(itertools.chain.from_iterable(itertools.starmap(range, spans)))
  for index, character in enumerate(text):
    if index not in covered:
      assert library.normalize(for_library(character)).strip("▁") == ""


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("", []),
    (" \n\u3000", []),
    ("  犬 ", [("▁", (2, 2)), ("犬", (2, 3))]),
    ("犬 \u3000t\n", [("▁", (0, 0)), ("犬", (0, 1)), ("▁t", (3, 4))]),
    ("猫 犬", [("▁", (0, 0)), ("猫", (0, 1)), ("▁", (2, 2)), ("犬", (2, 3))]),
    ("ｶﾞ", [("▁", (0, 0)), ("ガ", (0, 2))]),
    ("\ud800\ud801犬", [("▁", (2, 2)), ("犬", (2, 3))]),
    ("犬\0猫", [("▁", (0, 0)), ("犬", (0, 1)), ("\0", (1, 2)), ("猫", (2, 3))]),
  ],
)
def test_spans_leave_out_white_space(unigram, text, expected):
  assert list(zip(*unigram.pieces_with_spans(text), strict=True)) == expected


def test_pieces_of_one_character_share_its_span(unigram):
  pieces, spans = unigram.pieces_with_spans("犬㌔。…猫")
  assert dict(zip(pieces, spans, strict=True))["猫"] == (4, 5)
  assert [p for p, span in zip(pieces, spans, strict=True) if span == (3, 4)] == (
    ["."] * 3
  )


def test_bytes_of_one_character_share_its_span(tmp_path):
  path, _ = train(tmp_path, MODELS["bytes"])
  pieces, spans = sentence_piece.SentencePiece(path).pieces_with_spans("犬😀é鬱猫")
  found = dict.fromkeys(spans, "")
  for piece, span in zip(pieces, spans, strict=True):
    found[span] += piece
  assert found == {
    (0, 0): "▁",
    (0, 1): "犬",
    (1, 2): "<0xF0><0x9F><0x98><0x80>",
    (2, 3): "<0xC3><0xA9>",
    (3, 4): "<0xE9><0xAC><0xB1>",
    (4, 5): "猫",
  }


def test_white_space_as_suffix_is_in_no_span(tmp_path):
  path, _ = train(tmp_path, MODELS["suffix"])
  model = sentence_piece.SentencePiece(path)
  for piece, (start, end) in zip(*model.pieces_with_spans("The  dog "), strict=True):
    assert "The  dog "[start:end] == piece.rstrip("▁")


def test_real_text_equals_the_library():
  path = str(texts.shared("data/sentencepiece_ja/wiki-ja_albert.model"))
  model = sentence_piece.SentencePiece(path)
  library = sentencepiece.SentencePieceProcessor(model_file=path)
  for line in texts.livedoor_lines(3000):
    pieces, spans = model.pieces_with_spans(line)
    assert pieces == model.pieces(line) == library.encode(line, out_type=str)
    assert model.ids(line) == library.encode(line)
    for piece, (start, end) in zip(pieces, spans, strict=True):
      part = unicodedata.normalize("NFKC", line[start:end])
      assert piece.strip("▁") in part.replace("~", "～")  # nmt_nfkc keeps ～.


def test_vocabulary_is_in_the_order_of_ids(unigram):
  library = sentencepiece.SentencePieceProcessor(model_file=unigram.model_file)
  vocabulary = unigram.vocabulary()
  assert [library.piece_to_id(piece) for piece, _ in vocabulary] == list(
    range(len(library))
  )
  assert vocabulary[0] == ("<unk>", 0.0)
  assert all(isinstance(score, float) for _, score in vocabulary)
  assert vocabulary[3][1] < 0


def test_vocabulary_equals_the_published_file():
  folder = texts.shared("data/sentencepiece_ja")
  model = sentence_piece.SentencePiece(str(folder / "wiki-ja_albert.model"))
  lines = (folder / "wiki-ja_albert.vocab").read_text("utf-8").split("\n")[:-1]
  for (piece, score), line in zip(model.vocabulary(), lines, strict=True):
    expected, expected_score = line.split("\t")
    assert piece == expected and score == pytest.approx(float(expected_score), rel=1e-4)


@pytest.mark.parametrize("unit", ["犬は庭で。", "a", " ", "😀", "㍿", "\ud800"])
def test_long_texts_pass(unigram, unit):
  text = (unit * 200_000)[:200_000]
  pieces, spans = unigram.pieces_with_spans(text)
  assert len(pieces) == len(spans)
  texts.check_spans(text, spans)


def test_pickled_model_needs_no_file(tmp_path):
  path, _ = train(tmp_path, MODELS["unigram"])
  model = sentence_piece.SentencePiece(path)
  data = pickle.dumps(model)
  (tmp_path / "small.model").unlink()
  copy = pickle.loads(data)
  assert copy.pieces_with_spans(SENTENCES[0]) == model.pieces_with_spans(SENTENCES[0])
  assert (repr(copy), copy.fingerprint) == (repr(model), model.fingerprint)


def test_fingerprint_is_that_of_the_content(tmp_path):
  path, _ = train(tmp_path, MODELS["unigram"])
  (tmp_path / "other").mkdir()
  other, _ = train(tmp_path / "other", MODELS["bpe"])
  (tmp_path / "copy.model").write_bytes((tmp_path / "small.model").read_bytes())
  first, second, third = (
    sentence_piece.SentencePiece(name).fingerprint
    for name in (path, other, str(tmp_path / "copy.model"))
  )
  assert first == third != second


@pytest.mark.parametrize("size", [0, 3, 1000])
def test_damaged_model_is_one_line(tmp_path, unigram, size):
  with open(unigram.model_file, "rb") as reader:
    content = reader.read()[:size]
  path = tmp_path / "damaged.model"
  path.write_bytes(content)
  with pytest.raises(ValueError) as caught:
    sentence_piece.SentencePiece(str(path))
  assert str(caught.value) == (
    f"{path}: expected a SentencePiece model, found {size} bytes that are none; copy "
    "the file again"
  )


def test_missing_model_is_named():
  with pytest.raises(FileNotFoundError, match="no-such.model"):
    sentence_piece.SentencePiece("no-such.model")


def test_missing_package_is_one_line(unigram, monkeypatch):
  monkeypatch.setitem(sys.modules, "sentencepiece", None)
  with pytest.raises(ImportError) as caught:
    sentence_piece.SentencePiece(unigram.model_file)
  assert str(caught.value) == (
    "--tokenizer needs sentencepiece: pip install sentencepiece"
  )
