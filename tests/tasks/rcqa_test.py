"""RCQA to SQuAD files: each form against one made by the rules with the libraries alone."""

import functools
import itertools
import json
import os
import pickle
import re
import shlex
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bert_ja.tasks import rcqa, squad
from tests import published_models
from tests.tasks.rcqa_rows import ROWS, read, write

# --- The rules, with nothing of the package -------------------------------------------


def mecab_words(dictionary, text):
  mecab = pytest.importorskip("MeCab")
  package = pytest.importorskip(dictionary)
  tagger = mecab.Tagger(f"-r {os.devnull} -d {shlex.quote(package.DICDIR)}")
  node, words = tagger.parseToNode(text), []
  while node:
    words += node.surface.split()
    node = node.next
  return words


def full_width(text):
  return pytest.importorskip("mojimoji").han_to_zen(text).replace("\u3000", " ")


def sentence_pieces(model_file, text):
  library = pytest.importorskip("sentencepiece")
  processor = library.SentencePieceProcessor(model_file=model_file)
  return processor.encode(text.lower(), out_type=str)


# A program in Juman++'s output form: a word is a run of one kind of characters, a space
# is a word of its own.
JUMANPP_WORD = r"[\u3040-\u309f]+|[\u30a0-\u30ff]+|[\u4e00-\u9fff]+|."
JUMANPP = rf"""
import re, sys
sys.stdin.reconfigure(encoding="utf-8", newline="\n")
sys.stdout.reconfigure(encoding="utf-8", newline="\n")
for line in iter(sys.stdin.readline, ""):
  for word in re.findall(r"{JUMANPP_WORD}", line.rstrip("\n")):
    word = "\\ " if word == " " else word
    print(word, word, word, "特殊 1 記号 5 * 0 * 0 NIL")
  print("EOS", flush=True)
"""


def jumanpp_words(text):
  words = re.findall(JUMANPP_WORD, full_width(text).replace("\n", " "))
  return [word for word in words if word != " "]


def plain_find(context, answer):
  """(start, end) of the first match, by trying every start."""
  wanted = [c for c in answer if not c.isspace() and c != "▁"]
  for start in range(len(context)) if wanted else ():
    matched, position = 0, start
    while position < len(context) and matched < len(wanted):
      character = context[position]
      if character == wanted[matched]:
        matched += 1
      elif matched == 0 or not (character.isspace() or character == "▁"):
        break
      position += 1
    if matched == len(wanted):
      return start, position
  return None


def reference(write_form):
  """{split: JSON} by the rules; `write_form` is text -> text of the form."""
  files = {split: {"version": "v2.0", "data": []} for split in ("train", "dev", "test")}
  for qid, timestamp, question, answer, documents in ROWS:
    year = int(timestamp[:4])
    split = "train" if year < 2009 else "dev" if year == 2009 else "test"
    for index, (text, score) in enumerate(documents):
      name = qid + str(index + 1).rjust(4, "0")
      context = write_form(text)
      answers = []
      if score >= 2:
        place = plain_find(context, write_form(answer))
        if place is None:
          continue
        answers = [{"text": context[slice(*place)], "answer_start": place[0]}]
      row = {
        "id": name,
        "question": write_form(question),
        "is_impossible": score < 2,
        "answers": answers,
      }
      paragraph = {"context": context, "qas": [row]}
      files[split]["data"].append({"title": name, "paragraphs": [paragraph]})
  return files


def by_rules(suffix, model_file, text):
  """The text in a form."""
  if suffix == "text":
    return text
  if suffix == "jumandic":
    words = mecab_words("jumandic", full_width(text))
  elif suffix == "jumanpp":
    words = jumanpp_words(text)
  elif suffix == "ipadic":
    words = mecab_words("ipadic", unicodedata.normalize("NFKC", text))
  else:
    words = sentence_pieces(model_file, text)
  return " ".join(words)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
  """{suffix: SentencePiece model}"""
  pytest.importorskip("sentencepiece")
  folder = str(tmp_path_factory.mktemp("pieces"))
  files = published_models.write_sentence_pieces(folder)
  names = {"bert-wiki-ja": "bert-japanese", "hottoSNS-bert": "hottosns"}
  return {suffix: files[name][1] for suffix, name in names.items()}


@pytest.fixture
def forms(request, tmp_path, monkeypatch):
  """Function: suffix -> (form of the package, function that does it by the rules)."""

  def get(suffix):
    model_file = None
    if suffix in rcqa.SENTENCE_PIECE_SUFFIXES:
      model_file = request.getfixturevalue("models")[suffix]
    if suffix == "jumanpp":
      program = tmp_path / "jumanpp"
      program.write_text(f"#!{sys.executable}\n{JUMANPP}", encoding="utf-8")
      program.chmod(0o755)
      monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    rules = functools.partial(by_rules, suffix, model_file)
    rules("犬")  # skips the test where a library is missing
    return rcqa.create_form(suffix, model_file), rules

  return get


@pytest.fixture
def questions(tmp_path):
  return rcqa.read_questions(write(tmp_path / "all-v1.0.json.gz"))[0]


def test_twenty_documents_are_made():
  assert sum(len(row[-1]) for row in ROWS) == 20


@pytest.mark.parametrize("suffix", rcqa.SUFFIXES)
class TestForms:
  def test_files_are_those_of_the_rules(self, suffix, forms, questions, tmp_path):
    form, rules = forms(suffix)
    counts = rcqa.convert(questions, form, str(tmp_path / "out"))
    expected = reference(rules)
    assert read(tmp_path / "out", suffix) == expected
    written = {split: count.written for split, count in counts.items()}
    assert written == {split: len(file["data"]) for split, file in expected.items()}

  def test_the_reader_finds_each_answer_at_its_place(
    self, suffix, forms, questions, tmp_path
  ):
    form, _ = forms(suffix)
    counts = rcqa.convert(questions, form, str(tmp_path))
    answers = 0
    for split, path in rcqa.output_files(str(tmp_path), suffix).items():
      examples = squad.read_squad_examples(
        path, is_training=split == "train", version_2_with_negative=True
      )
      for item in examples:
        assert len(item.answers) == (0 if item.is_impossible else 1)
        for text, start in item.answers:
          assert item.context[start : start + len(text)] == text
          answers += 1
    assert answers == sum(count.found for count in counts.values()) >= 8

  def test_a_worker_process_has_the_same_form(self, suffix, forms):
    form, rules = forms(suffix)
    text = "ｶﾗｵｹは\u3000駅前の　Boxで。\n犬▁も"
    copy = pickle.loads(pickle.dumps(form))
    assert copy(text) == form(text) == rules(text)


@pytest.mark.parametrize(
  ("suffix", "expected"),
  [
    ("jumandic", "Ａ ＢガＣ\n１"),
    ("jumanpp", "Ａ ＢガＣ １"),
    ("ipadic", "A BガC\n1"),
    ("bert-wiki-ja", "a\u3000bｶﾞｃ\n1"),
  ],
)
def test_analysers_get_the_text_of_the_rules(forms, suffix, expected):
  # They would split some of it alike without.
  assert forms(suffix)[0].normalize("A\u3000BｶﾞＣ\n1") == expected


class TestConvert:
  def test_counts_tell_what_was_not_found(self, questions, tmp_path):
    counts = rcqa.convert(questions, rcqa.create_form("text"), str(tmp_path))
    assert counts == {
      "train": rcqa.Counts(documents=9, answerable=7, not_found=1),
      "dev": rcqa.Counts(documents=6, answerable=4, not_found=0),
      "test": rcqa.Counts(documents=5, answerable=4, not_found=3),
    }
    assert [count.found for count in counts.values()] == [6, 4, 1]

  def test_files_have_the_published_names(self, questions, tmp_path):
    rcqa.convert(questions, rcqa.create_form("text"), str(tmp_path / "new" / "out"))
    out = tmp_path / "new" / "out"
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.json")) == [
      "dataset_eval/test-v1.0.text.json",
      "dataset_train/dev-v1.0.text.json",
      "dataset_train/train-v1.0.text.json",
    ]

  def test_progress_counts_questions(self, questions, tmp_path):
    calls = []
    form = rcqa.create_form("text")
    rcqa.convert(questions, form, str(tmp_path), lambda *call: calls.append(call))
    assert calls == [(done, 6) for done in range(1, 7)]

  def test_a_failure_leaves_the_files_of_before(self, questions, tmp_path):
    form = rcqa.create_form("text")
    rcqa.convert(questions, form, str(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    bad = rcqa.Form("text", split=lambda text: 1 / ("dog" not in text) and [text])
    with pytest.raises(ZeroDivisionError):
      rcqa.convert(questions, bad, str(tmp_path))
    after = {p: p.read_bytes() for p in tmp_path.rglob("*v1.0.text*") if p.is_file()}
    assert after == before

  def test_a_split_may_be_empty(self, tmp_path):
    path = write(tmp_path / "all.json", ROWS[:1], compress=False)
    questions, _ = rcqa.read_questions(path)
    rcqa.convert(questions, rcqa.create_form("text"), str(tmp_path))
    files = read(tmp_path, "text")
    assert files["dev"] == files["test"] == {"version": "v2.0", "data": []}

  def test_half_a_character_is_kept(self, tmp_path):
    rows = [("a", "2008/01/01", "q", "犬", [("犬\ud83d", 3), ("犬", 3)])]
    questions, _ = rcqa.read_questions(write(tmp_path / "all.json", rows))
    rcqa.convert(questions, rcqa.create_form("text"), str(tmp_path))
    contexts = [
      entry["paragraphs"][0]["context"]
      for entry in read(tmp_path, "text")["train"]["data"]
    ]
    assert contexts == ["犬\ud83d", "犬"]


SPACED = st.text(st.sampled_from("ab▁ \u3000\n."), max_size=12)


class TestFindAnswer:
  @given(context=SPACED, answer=SPACED)
  @example(context="aab", answer="ab")
  @example(context="a ▁b ab", answer="▁ab")
  @example(context="a.b", answer=".")
  def test_the_first_match_is_that_of_a_plain_search(self, context, answer):
    found = rcqa.find_answer(context, answer)
    place = plain_find(context, answer)
    assert (found is None) == (place is None)
    if found is not None:
      assert (found.start, found.start + len(found.text)) == place
      assert context[slice(*place)] == found.text

  def test_a_long_context_takes_no_time(self):
    # A search that started over in each gap would not end.
    context = ("a" + " ▁" * 500) * 200 + "b"
    assert rcqa.find_answer(context, "a" * 50 + "c") is None


class TestReadQuestions:
  @pytest.mark.parametrize("compress", [True, False])
  def test_rows_without_documents_are_counted(self, tmp_path, compress):
    path = write(tmp_path / "all-v1.0.json", ROWS, compress)
    questions, without = rcqa.read_questions(path)
    assert without == 1
    assert [q.qid for q in questions] == [row[0] for row in ROWS if row[-1]]
    assert questions[0].documents[0] == (ROWS[0][-1][0][0], 5)

  def test_missing_and_null_documents_are_none(self, tmp_path):
    path = tmp_path / "all.json"
    write(path, ROWS[:1], compress=False)
    with path.open("a", encoding="utf-8") as writer:
      writer.write('{"qid": "x"}\n\r\n{"documents": null}\n')
    questions, without = rcqa.read_questions(str(path))
    assert (len(questions), without) == (1, 2)

  @pytest.mark.parametrize(
    ("timestamp", "split"),
    [
      ("2008/12/31", "train"),
      ("1999-1-2 03:04", "train"),
      ("2009-01-01T00:00:00", "dev"),
      ("2009/12/31 23:59", "dev"),
      ("2010/01/01", "test"),
    ],
  )
  def test_the_year_chooses_the_split(self, tmp_path, timestamp, split):
    path = write(tmp_path / "a.json", [("a", timestamp, "q", "a", [("t", 1)])])
    assert rcqa.read_questions(path)[0][0].split == split

  def test_a_remote_path_is_read_too(self, tmp_path):
    path = write(tmp_path / "all-v1.0.json.gz")
    assert rcqa.read_questions(f"file://{path}") == rcqa.read_questions(path)

  def test_a_byte_order_mark_is_no_text(self, tmp_path):
    path = tmp_path / "all.json"
    write(path, compress=False)
    expected = rcqa.read_questions(str(path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rcqa.read_questions(str(path)) == expected

  @pytest.mark.parametrize(
    "timestamp", ["", "2009", "2009/13/01", "31/12/2009", "2009/01-01", "2009/01/011"]
  )
  def test_another_timestamp_is_told(self, tmp_path, timestamp):
    rows = [*ROWS[:1], ("a", timestamp, "q", "a", [("t", 1)])]
    path = write(tmp_path / "a.json", rows)
    message = (
      f"{path}, line 2: expected a timestamp that starts with a date, YYYY/MM/DD or "
      f"YYYY-MM-DD, found {timestamp!r}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
      rcqa.read_questions(path)

  @pytest.mark.parametrize(
    ("change", "message"),
    [
      ({"qid": 3}, "expected a text as 'qid', found 3"),
      ({"answer": None}, "expected a text as 'answer', found null"),
      ({"question": ["a"]}, """expected a text as 'question', found ["a"]"""),
      ({"documents": {"a": 1}}, "expected a list as 'documents', found {"),
      ({"documents": ["t"]}, 'documents[0]: expected an object, found "t"'),
      (
        {"documents": [{"text": "t", "score": 1}, {"text": "t", "score": True}]},
        "documents[1]: expected a number as 'score', found true",
      ),
      (
        {"documents": [{"score": 1}]},
        "documents[0]: expected a text as 'text', found null",
      ),
      (
        {"documents": [{"text": "", "score": 1}] * 10_000},
        "expected at most 9999 documents, since ids have four digits for them, "
        "found 10000",
      ),
    ],
  )
  def test_a_bad_value_is_told(self, tmp_path, change, message):
    row = {"qid": "a", "timestamp": "2008/01/01", "question": "q", "answer": "a"}
    row |= {"documents": [{"text": "t", "score": 1}], **change}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(row))
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 1: {message}")):
      rcqa.read_questions(str(path))

  @pytest.mark.parametrize(
    ("line", "message"),
    [
      (b"{", "expected one JSON object a line ("),
      (b"[1, 2]", "expected a JSON object, found [1, 2]"),
    ],
  )
  def test_a_line_that_is_no_object_is_told(self, tmp_path, line, message):
    path = tmp_path / "a.json"
    write(path, ROWS[:1], compress=False)
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 2: {message}")):
      rcqa.read_questions(str(path))

  def test_a_qid_that_comes_twice_is_told(self, tmp_path):
    path = write(tmp_path / "a.json", (*ROWS, ROWS[1]))
    message = (
      f"{path}, line 8: qid '02' is that of line 2 too; each question needs its own"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
      rcqa.read_questions(path)

  @pytest.mark.parametrize("rows", [(), (ROWS[2],)])
  def test_a_file_without_questions_is_told(self, tmp_path, rows):
    path = write(tmp_path / "a.json", rows)
    with pytest.raises(ValueError, match="JSON lines of questions with documents, fou"):
      rcqa.read_questions(path)

  def test_a_cut_file_is_told(self, tmp_path):
    path = tmp_path / "a.json.gz"
    write(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"a.json.gz is a damaged gzip file \(.*copy"):
      rcqa.read_questions(str(path))

  def test_a_changed_file_is_told(self, tmp_path):
    path = tmp_path / "a.json.gz"
    write(path)
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF  # of the checksum
    path.write_bytes(data)
    with pytest.raises(ValueError, match="a.json.gz is a damaged gzip file"):
      rcqa.read_questions(str(path))

  def test_a_missing_file_is_not_found(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.json"):
      rcqa.read_questions(str(tmp_path / "none.json"))


class TestCreateForm:
  def test_an_unknown_suffix_is_told(self):
    message = "--suffixes: 'juman' is not one of text, jumandic, jumanpp, ipadic, bert-"
    with pytest.raises(ValueError, match=message):
      rcqa.create_form("juman")

  def test_a_suffix_without_its_model_is_told(self):
    with pytest.raises(ValueError, match="hottoSNS-bert needs a SentencePiece model"):
      rcqa.create_form("hottoSNS-bert")

  def test_a_model_without_use_is_told(self):
    with pytest.raises(ValueError, match="ipadic takes no SentencePiece model"):
      rcqa.create_form("ipadic", "spm.model")

  @pytest.mark.parametrize(
    ("suffix", "module"), [("jumandic", "mojimoji"), ("ipadic", "MeCab")]
  )
  def test_a_missing_package_is_named(self, suffix, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    package = {"MeCab": "mecab-python3"}.get(module, module)
    with pytest.raises(ImportError, match=f"^--suffixes={suffix} needs {package}.*pip"):
      rcqa.create_form(suffix)

  def test_a_missing_program_is_named(self, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    pytest.importorskip("mojimoji")
    message = "^--suffixes=jumanpp needs the program Juman"
    with pytest.raises(FileNotFoundError, match=message):
      rcqa.create_form("jumanpp")


def test_forms_and_files_have_the_same_splits():
  paths = [rcqa.output_files("out", suffix) for suffix in rcqa.SUFFIXES]
  names = list(itertools.chain.from_iterable(path.values() for path in paths))
  assert len(set(names)) == 18
  assert {tuple(path) for path in paths} == {("train", "dev", "test")}
