"""Aozora Bunko's mark-up: header, colophon, ruby, notes and characters in notes."""

import pytest

from bert_ja.ja import aozora

RULE = "-" * 55
EXPLAINED = f"""{RULE}
【テキスト中に現れる記号について】

《》：ルビ
（例）庭《にわ》
{RULE}
"""


class TestPlain:
  @pytest.mark.parametrize(
    ("line", "expected"),
    [
      ("庭《にわ》の花", "庭の花"),
      ("三毛の｜白猫《しろねこ》が鳴く", "三毛の白猫が鳴く"),
      ("川［＃「川」に傍点］を渡る", "川を渡る"),
      ("［＃３字下げ］第一章［＃「第一章」は大見出し］", "第一章"),
      ("［＃ここから２字下げ］", ""),
      ("有［＃レ］山", "有山"),
      ("道《みち》／＼や人／″＼", "道〳〵や人〴〵"),
      ("※印は注意", "※印は注意"),
      ("［これは］本文", "［これは］本文"),
    ],
  )
  def test_ruby_and_notes(self, line, expected):
    assert aozora.plain(line) == expected

  @pytest.mark.parametrize(
    ("note", "character"),
    [
      # Kanji by level, plane, row and cell; what they are drawn of is the oracle.
      ("［＃「口＋耳」、第3水準1-14-94］", "咡"),
      ("［＃「女＋朱」、第３水準1-15-80、12-3］", "姝"),
      ("［＃「廴＋囘」、第4水準2-12-11］", "𢌞"),
      ("［＃「臣＋頁」、第4水準2-92-25に包摂、12-3］", "頣"),
      # Others by plane, row and cell.
      ("［＃二の字点、1-2-22］", "〻"),
      ("［＃ローマ数字1、1-13-21］", "Ⅰ"),
      ("［＃始め二重山括弧、1-1-52］", "《"),
      ("［＃始め二重パーレン、1-02-54］", "⦅"),
      ("［＃濁点付き片仮名「ワ」、1-7-82］", "ヷ"),
      ("［＃半濁点付き平仮名か、1-4-87］", "か゚"),
      # By code point.
      ("［＃「魚＋雪」、U+9C48、33-5］", "鱈"),
      ("［＃「魚＋雪」、U+29E3D、33-5］", "𩸽"),
    ],
  )
  def test_a_named_character_is_put_in(self, note, character):
    assert aozora.plain(f"前※{note}後") == f"前{character}後"

  @pytest.mark.parametrize(
    "note",
    [
      "［＃「口＋何」、12-3］",
      "［＃「口＋何」、1-12-3］",  # volume, page and line
      "［＃「口＋何」、第4水準2-2-1］",  # a row without characters
      "［＃「口＋何」、第3水準1-99-1］",
      "［＃「口＋何」、U+D800］",
      "［＃ローマ数字17］",
    ],
  )
  def test_another_is_a_missing_one(self, note):
    assert aozora.plain(f"前※{note}後") == "前〓後"

  def test_notes_within_notes_and_ruby_go_with_them(self):
    inner = "※［＃「口＋何」、第4水準2-1-1］"
    line = f"甲［＃「{inner}」に傍点］乙《{inner}》丙"
    assert aozora.plain(line) == "甲乙丙"


class TestBody:
  def test_header_and_colophon_are_dropped(self):
    text = (
      f"題名\n作者\n\n{EXPLAINED}\n　一行目《いち》。\n\n［＃改ページ］\n二行目。\n\n"
      "底本：「全集」書店\n　　　1990（平成2）年\n入力：某\n"
    )
    assert aozora.body(text) == ["一行目。", "二行目。"]

  def test_the_explanation_may_be_missing(self):
    text = "題名\n副題\n作者\n\n\n本文。\n\n底本:「全集」書店\n"
    assert aozora.body(text) == ["本文。"]

  @pytest.mark.parametrize(
    "end", ["底本「全集」書店", "［＃本文終わり］\n翻訳の底本：X"]
  )
  def test_other_colophons(self, end):
    assert aozora.body(f"題\n作者\n\n本文。\n{end}\n") == ["本文。"]

  def test_a_line_about_its_source_is_text(self):
    assert aozora.body("題\n\n底本とは何か。\n") == ["底本とは何か。"]

  def test_a_rule_in_the_body_ends_nothing(self):
    assert aozora.body(f"題\n\n一。\n{RULE}\n二。\n") == ["一。", RULE, "二。"]

  def test_a_rule_without_its_second_is_dropped_alone(self):
    assert aozora.body(f"題\n\n{RULE}\n本文。\n") == ["本文。"]

  def test_windows_line_ends(self):
    assert aozora.body("題\r\n作者\r\n\r\n本文。\r\n底本：本\r\n") == ["本文。"]

  @pytest.mark.parametrize(("text", "lines"), [("", []), ("一行だけ", ["一行だけ"])])
  def test_a_text_without_a_header(self, text, lines):
    assert aozora.body(text) == lines


class TestDecode:
  @pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-8-sig"])
  def test_both_encodings(self, encoding):
    assert aozora.decode("①髙い山～".encode(encoding), "x") == "①髙い山～"

  def test_half_a_character_is_an_error_with_its_line(self):
    data = "一行\n".encode("cp932") + b"\x82\n"
    with pytest.raises(ValueError, match="book.txt, line 2: expected cp932 or UTF-8"):
      aozora.decode(data, "book.txt")

  @pytest.mark.parametrize("encoding", ["euc_jp", "iso2022_jp", "utf-16", "utf-16-le"])
  def test_an_encoding_whose_bytes_cp932_takes_is_an_error(self, encoding):
    data = "これは猫の話である。\nそれは犬の話である。\n".encode(encoding)
    with pytest.raises(ValueError, match="book.txt.*: expected cp932 or UTF-8"):
      aozora.decode(data, "book.txt")

  def test_some_narrow_kana_are_text(self):
    text = "これは猫の話である。ﾆｬｰと鳴く。"
    assert aozora.decode(text.encode("cp932"), "x") == text
