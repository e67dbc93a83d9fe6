"""Normalization: equal to the libraries on every code point, with right origins."""

import pickle
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings

from bert_ja.ja import normalization
from tests.ja import texts

mojimoji = pytest.importorskip("mojimoji")

STEPS = [
  normalization.Nfkc(),
  normalization.FullWidth(),
  normalization.LowerCase(),
  normalization.Replace("\u3000", " "),
  normalization.Chain(
    [normalization.Nfkc(), normalization.LowerCase(), normalization.FullWidth()]
  ),
  normalization.Chain(),
]
each_step = pytest.mark.parametrize("step", STEPS, ids=repr)


def origins(text, aligned):
  """(normalized character, the text it comes from) of an alignment."""
  spans = zip(aligned.starts, aligned.ends, strict=True)
  return [
    (character, text[start:end])
    for character, (start, end) in zip(aligned.text, spans, strict=True)
  ]


@each_step
@given(text=texts.TEXTS)
@settings(max_examples=400, deadline=None)
def test_origins_cover_the_text_in_order(step, text):
  aligned = step.align(text)
  assert aligned.text == step(text)
  texts.check_spans(text, list(zip(aligned.starts, aligned.ends, strict=True)))
  position = 0
  for start, end in zip(aligned.starts, aligned.ends, strict=True):
    assert start <= position  # No gap.
    position = end
  assert position == len(text)


# Not the small sigma: what σ or ς comes from depends on more than its own origin.
@pytest.mark.parametrize("step", [s for s in STEPS if "Lower" not in repr(s)], ids=repr)
@given(text=texts.TEXTS)
@example("e\u0301\u0316\u0338")
@example("\u1100\u1161\u11a8\u11a8")
@example("\u09c7\u09be\u0301")
@settings(max_examples=400, deadline=None)
def test_origins_normalized_one_by_one_give_the_normalized_text(step, text):
  aligned = step.align(text)
  spans = dict.fromkeys(zip(aligned.starts, aligned.ends, strict=True))
  assert "".join(step(text[start:end]) for start, end in spans) == aligned.text


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("ab", [("a", "a"), ("b", "b")]),
    ("ア㍿", [("ア", "ア"), *[(c, "㍿") for c in "株式会社"]]),
    ("ｱｶﾞｱ", [("ア", "ｱ"), ("ガ", "ｶﾞ"), ("ア", "ｱ")]),
    ("xか\u3099", [("x", "x"), ("が", "か\u3099")]),
    ("a\u3099１", [("a", "a"), ("\u3099", "\u3099"), ("1", "１")]),
    ("\u1100\u1161\u11a8a", [("각", "\u1100\u1161\u11a8"), ("a", "a")]),
    ("…！", [(".", "…"), (".", "…"), (".", "…"), ("!", "！")]),
    ("\u0316\u0301a", [("\u0316", "\u0316"), ("\u0301", "\u0301"), ("a", "a")]),
  ],
)
def test_nfkc_origins_are_as_small_as_can_be(text, expected):
  assert origins(text, normalization.Nfkc().align(text)) == expected


def test_full_width_joins_kana_with_their_marks_only():
  aligned = normalization.FullWidth().align("ｶﾞﾊﾟﾅﾞa")
  assert origins("ｶﾞﾊﾟﾅﾞa", aligned) == [
    ("ガ", "ｶﾞ"),
    ("パ", "ﾊﾟ"),
    ("ナ", "ﾅ"),
    ("゛", "ﾞ"),
    ("ａ", "a"),
  ]


def test_lower_case_lengthens_one_letter():
  aligned = normalization.LowerCase().align("AİΣ")
  assert origins("AİΣ", aligned) == [
    ("a", "A"),
    ("i", "İ"),
    ("\u0307", "İ"),
    ("ς", "Σ"),
  ]


def test_chain_follows_a_character_through_all_steps():
  chain = normalization.Chain([normalization.Nfkc(), normalization.FullWidth()])
  # ㎅ is KB by NFKC; then the half-width letters become wide.
  assert origins("ｶﾞ㎅x", chain.align("ｶﾞ㎅x")) == [
    ("ガ", "ｶﾞ"),
    ("Ｋ", "㎅"),
    ("Ｂ", "㎅"),
    ("ｘ", "x"),
  ]


def test_chain_follows_a_character_through_two_steps_that_move():
  chain = normalization.Chain([normalization.Nfkc(), normalization.LowerCase()])
  assert origins("㍿\u0130x", chain.align("㍿\u0130x")) == [
    *[(c, "㍿") for c in "株式会社"],
    *[("i", "İ"), ("\u0307", "İ"), ("x", "x")],
  ]


@each_step
def test_text_in_place_costs_no_list(step):
  aligned = step.align("東京タワー。")
  assert isinstance(aligned.starts, range) and isinstance(aligned.ends, range)


@pytest.mark.slow
@each_step
def test_every_code_point_alone_has_itself_as_origin(step):
  for character in map(chr, range(sys.maxunicode + 1)):
    aligned = step.align(character)
    assert set(zip(aligned.starts, aligned.ends, strict=True)) == {(0, 1)}


@pytest.mark.slow
def test_nfkc_finds_each_character_that_joins_what_stands_before():
  nfkc = normalization.Nfkc()
  before = ["か", "e", "e\u0316", "\u1100", "가", "\u09c7", "ｶ", "\U00011347", "\u0fb2"]
  for character in map(chr, range(sys.maxunicode + 1)):
    for text in before:
      both = nfkc(text + character)
      if both != nfkc(text) + nfkc(character):
        aligned = nfkc.align(text + character)
        assert aligned.text == both
        assert len(text) not in aligned.ends  # No origin ends between the two.


@pytest.mark.slow
def test_full_width_equals_mojimoji_on_every_pair_with_a_mark():
  step = normalization.FullWidth()
  for character in map(chr, range(0x10000)):
    for text in (character, character + "ﾞ", character + "ﾟ", "ﾊ" + character):
      assert step.align(text).text == mojimoji.han_to_zen(text)


def test_real_text_equals_the_libraries():
  nfkc, full_width = normalization.Nfkc(), normalization.FullWidth()
  for line in texts.livedoor_lines(3000):
    expected = unicodedata.normalize("NFKC", line)
    assert nfkc(line) == nfkc.align(line).text == expected
    expected = mojimoji.han_to_zen(line)
    assert full_width(line) == full_width.align(line).text == expected


@each_step
def test_steps_pickle_and_compare_by_value(step):
  copy = pickle.loads(pickle.dumps(step))
  assert copy == step and repr(copy) == repr(step) and hash(copy) == hash(step)
  assert copy("Ａ\u3000ｶﾞ") == step("Ａ\u3000ｶﾞ")


def test_different_settings_differ():
  assert normalization.Replace("a", "b") != normalization.Replace("a", "c")
  assert "'c'" in repr(normalization.Replace("a", "c"))
  assert normalization.Chain(STEPS[:2]) != normalization.Chain(STEPS[1::-1])


@pytest.mark.parametrize(
  ("old", "new"), [("", "a"), ("ab", "a"), ("a", ""), ("a", "bb")]
)
def test_replace_takes_single_characters_only(old, new):
  with pytest.raises(ValueError, match="expected two single characters, found Replace"):
    normalization.Replace(old, new)


def test_missing_mojimoji_is_one_line(monkeypatch):
  monkeypatch.setitem(sys.modules, "mojimoji", None)
  with pytest.raises(ImportError) as caught:
    normalization.FullWidth()
  assert str(caught.value) == ('--tokenizer needs mojimoji: pip install "bert_ja[ja]"')


def test_megabytes_pass():
  text = "ｶﾞか\u3099㍿a" * 50_000
  for step in STEPS:
    assert step.align(text).text == step(text)
