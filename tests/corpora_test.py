"""Readers of raw corpora, what is left out of them, and the files they become."""

import io
import itertools
import json
import random
import tarfile
import zipfile

import pytest

from bert_ja import corpora, text_io
from bert_ja.ja import sentences
from tests.ja import texts


@pytest.fixture
def put(tmp_path):
  """Function: relative path and text or bytes -> path."""

  def put(name, content):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)

  return put


def put_tar(path, files, mode="w:gz"):
  with tarfile.open(path, mode) as archive:
    for name, data in files.items():
      entry = tarfile.TarInfo(name)
      entry.size = len(data)
      archive.addfile(entry, io.BytesIO(data))
  return str(path)


def put_zip(path, files):
  with zipfile.ZipFile(path, "w") as archive:
    for name, data in files.items():
      archive.writestr(name, data)
  return str(path)


def kept(documents):
  """[(name, sentences)] of those with text."""
  return [(name, found) for name, found in documents if found]


WIKI = """<doc id="1" url="http://example" title="猫">
猫

猫（ねこ。）は動物。よく寝る。
「にゃあ。」と鳴く。 \u3000
 \u3000
。始まり
。）余り
第2行

</doc>

<doc id="2" url="http://example" title="犬">
犬

Dogは犬。
</doc>
"""


class TestWikipedia:
  def test_lines_become_sentences_as_in_b_21(self, put):
    assert kept(corpora.read_wikipedia([put("x", WIKI)])) == [
      (
        "猫",
        [
          "猫（ねこ。）は動物。",
          "よく寝る。",
          "「にゃあ。」と鳴く。",
          "始まり",
          "第2行",
        ],
      ),
      ("犬", ["Dogは犬。"]),
    ]

  def test_all_wiki_files_of_a_directory_are_read_in_order(self, put, tmp_path):
    put("AB/wiki_00", WIKI.replace("猫", "鳥"))
    put("AA/wiki_01", WIKI.replace("猫", "馬"))
    put("AA/wiki_00", WIKI)
    put("AA/notes.txt", "読まない")
    put("AA/.wiki_02", "読まない")
    names = [name for name, _ in kept(corpora.read_wikipedia([str(tmp_path)]))]
    assert names == ["猫", "犬", "馬", "犬", "鳥", "犬"]

  def test_another_rule_can_split(self, put):
    path = put("x", '<doc id="1">\n題\nえ？そう！\n</doc>\n')
    assert kept(corpora.read_wikipedia([path]))[0][1] == ["え？そう！"]
    split = kept(corpora.read_wikipedia([path], sentences.split))
    assert split[0][1] == ["え？", "そう！"]

  def test_a_last_document_without_its_end_counts(self, put):
    path = put("x", '<doc id="1">\n題\n本文。\n')
    assert kept(corpora.read_wikipedia([path])) == [("題", ["本文。"])]

  def test_another_format_is_an_error(self, put):
    path = put("x", '\n{"text": "猫"}\n')
    with pytest.raises(ValueError, match=r"x, line 2: expected <doc .*--format=jsonl"):
      list(corpora.read_wikipedia([path]))

  def test_a_directory_without_such_files_is_an_error(self, put, tmp_path):
    put("a.txt", WIKI)
    with pytest.raises(ValueError, match="no file of the kind"):
      list(corpora.read_wikipedia([str(tmp_path)]))


BOOK = (
  "題\r\n人\r\n\r\n　庭《にわ》だ。｜花《はな》だ。\r\n\r\n底本：「本」\r\n".encode(
    "cp932"
  )
)
BOOK_FOUND = ["庭だ。", "花だ。"]


class TestAozora:
  def test_a_file(self, put):
    assert list(corpora.read_aozora([put("b.txt", BOOK)])) == [("b.txt", BOOK_FOUND)]

  @pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tar.gz", "w:gz")])
  def test_texts_of_a_tar_archive(self, tmp_path, suffix, mode):
    files = {"x/b.txt": BOOK, "x/a.png": b"\xff", "x/a.txt": BOOK}
    path = put_tar(tmp_path / f"books.{suffix}", files, mode)
    found = [("b.txt", BOOK_FOUND), ("a.txt", BOOK_FOUND)]
    assert list(corpora.read_aozora([path])) == found

  def test_texts_and_archives_of_a_directory(self, put, tmp_path):
    put("books/2.txt", BOOK)
    put("books/page.html", b"\xff")
    put_zip(tmp_path / "books" / "1.zip", {"in.txt": BOOK, "picture.png": b"\xff"})
    names = [name for name, _ in corpora.read_aozora([str(tmp_path / "books")])]
    assert names == ["in.txt", "2.txt"]

  def test_an_error_names_archive_member_and_line(self, tmp_path):
    path = put_zip(tmp_path / "b.zip", {"x/a.txt": BOOK + b"\x82"})
    with pytest.raises(ValueError, match=r"b\.zip, x/a\.txt, line 7: expected cp932"):
      list(corpora.read_aozora([path]))

  @pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
  def test_a_damaged_archive_is_an_error(self, put, name):
    with pytest.raises(ValueError, match=f"{name} is a damaged archive"):
      list(corpora.read_aozora([put(name, b"\x1f\x8bnonsense" * 90)]))

  def test_half_an_archive_is_an_error(self, tmp_path, put):
    files = {"a.txt": BOOK, "b.png": random.Random(1).randbytes(50_000)}
    put_tar(tmp_path / "a.tar.gz", files)
    data = (tmp_path / "a.tar.gz").read_bytes()
    with pytest.raises(ValueError, match=r"half\.tar\.gz is a damaged archive"):
      list(corpora.read_aozora([put("half.tar.gz", data[: len(data) // 2])]))

  @pytest.mark.slow
  def test_all_of_a_real_sample_is_read(self):
    path = texts.shared("data/aozora/aozora_sample.tar.gz")
    count, marked = 0, []
    for _, found in corpora.read_aozora([str(path)]):
      count += 1
      assert found
      text = "".join(found)
      if any(mark in text for mark in ("《", "》", "［＃", "｜")):
        marked.append(text)
    assert count == 1534
    # A typing error leaves a mark-up in one book. In another one double brackets are
    # the author's: notes name them.
    assert len(marked) <= 2
    assert sum("［＃" in text for text in marked) <= 1


class TestFolder:
  def test_each_file_is_a_document(self, put, tmp_path):
    put("in/b.txt", "\ufeff一。二。\r\n\r\n三")
    put("in/a/c", "「四。」と。")
    put("in/.hidden", b"\xff")
    assert list(corpora.read_folder([str(tmp_path / "in")])) == [
      ("c", ["「四。」と。"]),
      ("b.txt", ["一。", "二。", "三"]),
    ]

  def test_another_encoding_is_an_error_with_its_line(self, put):
    path = put("a.txt", "ascii\n庭".encode("cp932"))
    with pytest.raises(ValueError, match=r"a\.txt, line 2: expected UTF-8"):
      list(corpora.read_folder([path]))


class TestText:
  def test_blank_lines_and_file_ends_end_documents(self, put):
    paths = [put("a", "一。二。\n 三\n\n \n\n四\n"), put("b", "五")]
    found = [found for _, found in kept(corpora.read_text(paths))]
    assert found == [["一。二。", "三"], ["四"], ["五"]]

  def test_it_is_a_stream(self, put):
    path = put("a", "一\n\n二\n\n".encode() + b"\xff\n")
    documents = corpora.read_text([path])
    assert [found for _, found in itertools.islice(documents, 2)] == [["一"], ["二"]]
    with pytest.raises(ValueError, match="a, line 5: expected UTF-8"):
      next(documents)


class TestJsonLines:
  def test_a_field_is_a_document(self, put):
    path = put(
      "a", '{"body": "一。\\n二。三"}\n\n{"body": ""}\n{"id": 1, "body": "四"}'
    )
    found = [found for _, found in kept(corpora.read_json_lines([path], "body"))]
    assert found == [["一。", "二。", "三"], ["四"]]

  @pytest.mark.parametrize(
    ("line", "message"),
    [
      ("[1]", "line 1: expected a JSON object, found list"),
      ('{"text": 1}', "line 1: expected a text in 'text', found int"),
      ('{"a": "x", "b": 2}', "line 1: expected 'text', found 'a', 'b'"),
      ('{"text": ', r"line 1: expected one JSON object a line \("),
      (r'{"text": "x\ud83d"}', "half of a surrogate pair"),
      ("[" * 100_000, "a, line 1: JSON that cannot be read"),
      ('{"text": ' + "1" * 5000 + "}", "a, line 1: JSON that cannot be read"),
    ],
  )
  def test_another_line_is_an_error(self, put, line, message):
    with pytest.raises(ValueError, match=message):
      list(corpora.read_json_lines([put("a", line)]))


class TestTable:
  def test_a_column_of_a_tsv_file(self, put):
    path = put("a.tsv", "text\tlabel\n一。二。\tx\n三\ty\n")
    found = [found for _, found in corpora.read_table([path])]
    assert found == [["一。", "二。"], ["三"]]

  def test_a_missing_column_is_an_error(self, put):
    path = put("a.tsv", "body\tlabel\n一。\tx\n")
    with pytest.raises(ValueError, match="line 2: expected 'text', found 'body'"):
      list(corpora.read_table([path]))


def squad(*articles):
  data = [
    {"title": title, "paragraphs": [{"context": text, "qas": []} for text in contexts]}
    for title, contexts in articles
  ]
  return json.dumps({"data": data})


class TestSquad:
  def test_an_article_is_a_document_and_a_context_is_read_once(self, put):
    one = put("1.json", squad(("猫", ["一。二。", "三", "三"]), ("犬", ["四"])))
    two = put("2.json", squad(("鳥", ["四", "五"])))
    assert list(corpora.read_squad([one, two])) == [
      ("猫", ["一。", "二。", "三"]),
      ("犬", ["四"]),
      ("鳥", ["五"]),
    ]

  @pytest.mark.parametrize(
    ("value", "message"),
    [
      ([], "a.json: expected a JSON object, found list"),
      ({"data": {}}, "a.json: expected a list in 'data', found dict"),
      ({"data": [{}]}, r"data\[0\]: expected 'paragraphs', found nothing"),
      (
        {"data": [{"paragraphs": [{"context": 1}]}]},
        r"data\[0\]\.paragraphs\[0\]: expected a text in 'context', found int",
      ),
    ],
  )
  def test_another_form_is_an_error(self, put, value, message):
    with pytest.raises(ValueError, match=message):
      list(corpora.read_squad([put("a.json", json.dumps(value))]))


def documents(*texts_of):
  return [corpora.Document(name, list(found)) for name, found in texts_of]


class TestFilter:
  def test_names_are_left_out_and_those_unmet_are_told(self):
    chosen = corpora.Filter(excluded=["a", "c"])
    left = list(chosen(documents(("a", ["一"]), ("b", ["二"]), ("a", ["三"]))))
    assert left == documents(("b", ["二"]))
    assert (chosen.num_excluded, chosen.unmet) == (2, {"c"})

  def test_short_documents_are_left_out(self):
    chosen = corpora.Filter(min_characters=3)
    left = list(chosen(documents(("", ["一", "二"]), ("", ["三四", "五"]), ("", []))))
    assert left == documents(("", ["三四", "五"]))
    assert chosen.num_short == 1  # a document without text is none

  def test_sentences_are_normalized_and_empty_ones_dropped(self):
    chosen = corpora.Filter(lambda text: text.replace("x", " "))
    left = list(chosen(documents(("", ["x一x二x", "x"]), ("", ["xx"]))))
    assert left == documents(("", ["一 二"]))


class TestWrite:
  def test_documents_go_to_the_files_in_turn(self, tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    three = documents(("", ["一", "二三"]), ("", ["四"]), ("", ["五"]))
    counts = corpora.write(iter(three), paths)
    assert counts == [(2, 3, 4), (1, 1, 1)]
    texts_written = [(tmp_path / name).read_text() for name in "ab"]
    assert texts_written == ["一\n二三\n\n五\n\n", "四\n\n"]

  def test_what_is_written_reads_back(self, tmp_path):
    path = str(tmp_path / "a")
    three = documents(("", ["一", "二。三。"]), ("", ["四"]), ("", ["五"]))
    corpora.write(three, [path])
    assert kept(corpora.read_text([path])) == three

  def test_an_error_leaves_no_file_and_keeps_the_old_one(self, tmp_path):
    (tmp_path / "a").write_text("old")

    def broken():
      yield from documents(("", ["一"]), ("", ["二"]))
      raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
      corpora.write(broken(), [str(tmp_path / name) for name in "ab"])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"

  def test_a_disk_that_is_full_at_the_end_leaves_no_file(self, tmp_path, monkeypatch):
    open_file = text_io.open_file

    def open_nearly_full(path, mode):
      # What is written reaches the disk when the file is closed. `a` closes last.
      writer = open_file(path, mode)
      return open_file("/dev/full", mode) if "a.tmp" in path else writer

    monkeypatch.setattr(text_io, "open_file", open_nearly_full)
    paths = [str(tmp_path / name) for name in "ab"]
    with pytest.raises(OSError, match="No space left"):
      corpora.write(documents(("", ["一"]), ("", ["二"])), paths)
    assert not list(tmp_path.iterdir())

  @pytest.mark.parametrize(
    ("count", "message"),
    [(0, "no document is left to write"), (1, "--num_files=2 is more than the 1 doc")],
  )
  def test_too_few_documents_are_an_error(self, tmp_path, count, message):
    with pytest.raises(ValueError, match=message):
      corpora.write(documents(("", ["一"]))[:count], [str(tmp_path / n) for n in "ab"])
    assert not list(tmp_path.iterdir())
