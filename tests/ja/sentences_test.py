"""Sentences: where marks, brackets and line breaks end them, and that nothing is lost."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja.ja import sentences
from tests.ja import texts

MARKED = st.text(
  st.sampled_from("。。！？!?．.｡「」『』（）()[]\"' 　\n\r\u2028とっ、あ漢ア1a|"),
  max_size=40,
)


def without_space(text):
  return "".join(text.split())


def held_places(text):
  """Places inside brackets that close at most 150 characters away; one pair at a time."""
  closes, opened, held = dict(zip("「『（", "」』）", strict=True)), [], set()
  for place, character in enumerate(text):
    if character in closes:
      opened.append(place)
    elif character in closes.values():
      fitting = [k for k in opened if closes[text[k]] == character]
      if fitting:
        opened = [k for k in opened if k < fitting[-1]]
        if place - fitting[-1] <= 150:
          held |= set(range(fitting[-1] + 1, place))
  return held


class TestSplit:
  @pytest.mark.parametrize(
    ("text", "expected"),
    [
      # Marks.
      ("猫が来た。犬も来た。", ["猫が来た。", "犬も来た。"]),
      ("雨だ｡傘がない", ["雨だ｡", "傘がない"]),
      ("本当か？嘘だ！帰ろう。", ["本当か？", "嘘だ！", "帰ろう。"]),
      ("まさか？！それで。。。終わり", ["まさか？！", "それで。。。", "終わり"]),
      ("句点のない文", ["句点のない文"]),
      # What was cried goes on.
      ("助けて！と叫んだ。", ["助けて！と叫んだ。"]),
      ("何？って聞いた。", ["何？って聞いた。"]),
      ("ええ！、そうです。", ["ええ！、そうです。"]),
      # Narrow marks.
      ("安い!速い?買おう", ["安い!", "速い?", "買おう"]),
      ("Hey!Ho!と歌うWhy?の会", ["Hey!Ho!と歌うWhy?の会"]),
      ("Stop! Go? Yes", ["Stop!", "Go?", "Yes"]),
      ("増加した．次に示す.終わり", ["増加した．", "次に示す.", "終わり"]),
      ("約３．５倍で1.5倍", ["約３．５倍で1.5倍"]),
      ("例え.jpを見る", ["例え.jpを見る"]),
      ("Mr. Smith came.", ["Mr. Smith came."]),
      # Brackets and quotes.
      ("「行く。すぐだ。」と言う。帰る。", ["「行く。すぐだ。」と言う。", "帰る。"]),
      ("（昨日。『今日。』も）来た。次", ["（昨日。『今日。』も）来た。", "次"]),
      ("「はい。」「どうぞ。」", ["「はい。」", "「どうぞ。」"]),
      ("「はい」「どうぞ」と言う", ["「はい」「どうぞ」と言う"]),
      ("続きだ。」と結ぶ。", ["続きだ。」と結ぶ。"]),
      ("来た（昨日だ。）。次。", ["来た（昨日だ。）。", "次。"]),
      ("「開いたまま。次の文。", ["「開いたまま。", "次の文。"]),
      ("「言う（小声で。」次。終わり", ["「言う（小声で。」次。", "終わり"]),
      ("（図１.）（図２.）", ["（図１.）（図２.）"]),
      # Lines and space.
      ("一行目\n二行目\r\n\n三\u2028四", ["一行目", "二行目", "三", "四"]),
      ("　字下げ。　次。 ", ["字下げ。", "次。"]),
      ("", []),
      (" 　\n", []),
    ],
  )
  def test_where_sentences_end(self, text, expected):
    assert sentences.split(text) == expected

  def test_a_tale_in_quotes_is_split(self):
    tale = "昔の話だ。" * 40
    found = sentences.split(f"「{tale}」と語る。次。")
    assert found[0] == "「昔の話だ。"
    assert found[-2:] == ["昔の話だ。」と語る。", "次。"]

  def test_quotes_within_a_tale_are_kept_whole(self):
    tale = "昔の話だ。" * 40
    assert "『はい。ええ。』と聞いた。" in sentences.split(
      f"「{tale}『はい。ええ。』と聞いた。{tale}」"
    )

  @given(st.one_of(MARKED, texts.TEXTS))
  def test_nothing_is_lost_and_no_sentence_has_a_line_break(self, text):
    found = sentences.split(text)
    assert without_space("".join(found)) == without_space(text)
    assert all(part == part.strip() and part.splitlines() == [part] for part in found)

  @given(MARKED)
  @settings(max_examples=500)
  def test_a_sentence_is_one(self, text):
    for part in sentences.split(text):
      assert sentences.split(part) == [part]

  @given(
    st.lists(
      st.sampled_from([*"「」『』（）。？", "あ", "。」", "長" * 80]), max_size=30
    )
  )
  @settings(max_examples=500)
  def test_what_a_short_bracket_holds_stays_together(self, parts):
    text = "".join(parts)
    inside = held_places(text)
    ends = itertools.accumulate(map(len, sentences.split(text)))
    # The last place of a sentence that ends at a mark is no place in brackets.
    assert not inside & {end - 1 for end in ends if text[end - 1] in "。？"}

  @pytest.mark.parametrize(
    "text",
    ["「」あ。" * 50_000, "「" * 99_999 + "あ。あ" + "）" * 99_999, "「あ。" * 50_000],
    ids=["many held", "none that closes", "none closed"],
  )
  def test_many_brackets_take_no_quadratic_time(self, text):
    start = time.process_time()
    assert "".join(sentences.split(text)) == text
    assert time.process_time() - start < 5


class TestSplitAtFullStops:
  @pytest.mark.parametrize(
    ("text", "expected"),
    [
      ("猫。犬。", ["猫。", "犬。"]),
      ("「猫。」と（犬。）と(鳥。)", ["「猫。」と（犬。）と(鳥。)"]),
      ('"猫。"の表|犬。|終', ['"猫。"の表|犬。|終']),
      ("「猫。犬。」", ["「猫。", "犬。」"]),
      ("本当？はい！『。』。", ["本当？はい！『。", "』。"]),
      ("　猫。　 犬 ", ["猫。", "犬"]),
      ("猫。。犬", ["猫。", "犬"]),
      ("。猫", ["猫"]),
      ("", []),
    ],
  )
  def test_where_sentences_end(self, text, expected):
    assert sentences.split_at_full_stops(text) == expected

  @given(MARKED)
  def test_each_end_is_a_full_stop_without_a_closing_bracket(self, text):
    for part in sentences.split_at_full_stops(text):
      inner = part[:-1]
      for place, character in enumerate(inner):
        assert character != "。" or part[place + 1] in '」）)"|'
