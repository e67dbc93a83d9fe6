"""Segmenters: words as their programs give them, spans on any text, clear failures.

Juman++ is no Python package: a small program that speaks its line format stands in.
"""

import itertools
import multiprocessing
import os
import pickle
import re
import shlex
import signal
import sys
import types
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja.ja import segmenters
from tests.ja import texts

DICTIONARIES = ["ipadic", "jumandic", "unidic-lite"]
SENTENCE = "犬は庭で、猫は居間で寝ています。"

# Words are runs of one kind of character. Lines about each word are laid out as Juman++
# does, with an alternative analysis for every word; some words make it misbehave.
FAKE_JUMANPP = r"""
import os, re, sys, time
print("model loaded", file=sys.stderr)
sys.stdin.reconfigure(encoding="utf-8", newline="\n")
sys.stdout.reconfigure(encoding="utf-8", newline="\n")
for line in sys.stdin:
  line = line.rstrip("\n")
  assert len(line.encode()) <= 4096, "too long"
  if line.startswith("#"):
    print(line, flush=True)  # A comment has no EOS.
    continue
  if "HANG" in line:
    time.sleep(60)
  if "CRASH" in line:
    os._exit(3)
  if "ONCE" in line and not os.path.exists(sys.argv[1]):
    open(sys.argv[1], "w").close()
    os._exit(4)
  if "PID" in line:
    line = line.replace("PID", str(os.getpid()))
  for word in re.findall(r"[ぁ-ん]+|\w+|.", line):
    word = "\\ " if word == " " else word
    details = "特殊 1 記号 5 * 0 * 0" + " NIL" * 200
    print(f"{word} {word} {word} {details}")
    print(f"@ {word} {word} {word} {details}")
  print("EOS", flush=True)
"""


@pytest.fixture(scope="module", params=DICTIONARIES)
def mecab(request):
  return mecab_with(request.param)


def mecab_with(dictionary):
  pytest.importorskip("MeCab")
  pytest.importorskip(dictionary.replace("-", "_"))
  return segmenters.Mecab(dictionary)


def plain_tagger(dictionary):
  """mecab-python3 with nothing around it."""
  mecab = pytest.importorskip("MeCab")
  package = pytest.importorskip(dictionary.replace("-", "_"))
  return mecab.Tagger(f"-r {os.devnull} -d {shlex.quote(package.DICDIR)}")


def surfaces(tagger, text):
  """Words from the list of nodes, which is another way than the segmenter's."""
  node, words = tagger.parseToNode(text), []
  while node:
    words += node.surface.split()
    node = node.next
  return words


@pytest.fixture
def jumanpp(tmp_path, monkeypatch):
  program = tmp_path / "jumanpp"
  program.write_text(f"#!{sys.executable}\n{FAKE_JUMANPP}", encoding="utf-8")
  program.chmod(0o755)
  monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
  segmenter = segmenters.Jumanpp(f"jumanpp {tmp_path / 'crashed'}", timeout_seconds=20)
  yield segmenter
  segmenter.close()


def check_words(text, words, spans):
  texts.check_spans(text, spans)
  assert [text[start:end] for start, end in spans] == words
  assert all(word and not re.search(r"\s", word) for word in words)
  edges = [0, *itertools.chain.from_iterable(spans), len(text)]
  for end, start in zip(edges[::2], edges[1::2], strict=True):
    assert not text[end:start].replace("\0", "").strip()


@given(text=texts.TEXTS)
def test_whitespace_words_have_their_spans(text):
  words, spans = segmenters.Whitespace().split_with_spans(text)
  assert words == segmenters.Whitespace().split(text) == text.split()
  assert [text[start:end] for start, end in spans] == words


@given(text=texts.TEXTS)
@settings(max_examples=300, deadline=None)
def test_mecab_words_cover_any_text(mecab, text):
  words, spans = mecab.split_with_spans(text)
  assert words == mecab.split(text)
  check_words(text, words, spans)


@pytest.mark.parametrize("dictionary", DICTIONARIES)
def test_mecab_words_are_the_nodes_of_the_tagger(dictionary):
  tagger, mecab = plain_tagger(dictionary), mecab_with(dictionary)
  for line in [SENTENCE, "Ð  a\tb\u3000c", *texts.livedoor_lines(1000)]:
    assert mecab.split(line) == surfaces(tagger, line)


@pytest.mark.parametrize("count", [1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_mecab_words_are_those_of_fugashi(count):
  fugashi = pytest.importorskip("fugashi")
  dicdir = pytest.importorskip("unidic_lite").DICDIR
  tagger = fugashi.GenericTagger(f"-r {os.devnull} -d {shlex.quote(dicdir)}")
  mecab = mecab_with("unidic-lite")
  for line in texts.livedoor_lines(count):
    line = unicodedata.normalize("NFKC", line)
    assert mecab.split(line) == [word.surface for word in tagger(line)]


def test_mecab_dictionaries_differ_in_their_words():
  text = "外国人参政権について話した"
  results = {tuple(mecab_with(name).split(text)) for name in DICTIONARIES}
  assert len(results) > 1


@pytest.mark.parametrize(
  "text", ["", " ", "\n", "\u3000", "\0", "\x1c\x85\u2028"], ids=ascii
)
def test_mecab_finds_no_word_in_white_space(mecab, text):
  assert mecab.split_with_spans(text) == ([], [])


def test_mecab_goes_on_after_nul_and_wide_space(mecab):
  words, spans = mecab.split_with_spans("犬\0猫\u3000鳥")
  assert (words, spans) == (["犬", "猫", "鳥"], [(0, 1), (2, 3), (4, 5)])


def test_mecab_words_keep_lone_surrogates(mecab):
  words, _ = mecab.split_with_spans("犬\ud800と\udfff猫")
  assert (
    "".join(words) == "".join(mecab.split("犬\ud800と\udfff猫")) == "犬\ud800と\udfff猫"
  )


@pytest.mark.parametrize("unit", [SENTENCE, "a", "dog ", "犬", " ", "😀", "犬\ud800\0"])
def test_mecab_takes_texts_of_any_length(mecab, unit):
  text = (unit * 100_000)[:100_000]
  words, spans = mecab.split_with_spans(text)
  check_words(text, words, spans)
  assert mecab.split(text) == words


def test_mecab_cuts_long_texts_between_sentences(mecab):
  lines = [SENTENCE, "今日は晴れですね。\n"] * 400
  expected = [word for line in lines for word in mecab.split(line)]
  assert mecab.split("".join(lines)) == expected


def test_mecab_does_not_cut_texts_of_usual_length():
  tagger, mecab = plain_tagger("ipadic"), mecab_with("ipadic")
  text = "".join(texts.livedoor_lines(40))[:4096]
  assert mecab.split(text) == surfaces(tagger, text)


@given(
  text=st.text("あ a。\n\u3000", max_size=60),
  longest=st.integers(min_value=1, max_value=9),
)
def test_parts_are_short_and_joined_are_the_text(text, longest):
  parts = list(segmenters._parts(text, longest))
  assert "".join(parts) == text
  assert all(0 < len(part) <= longest for part in parts) or text == ""


def test_parts_end_with_sentences_before_spaces_before_anything():
  assert list(segmenters._parts("ああ。い い。う う", 4)) == [
    "ああ。",
    "い い。",
    "う う",
  ]
  assert list(segmenters._parts("あ いいいいい", 4)) == ["あ ", "いいいい", "い"]


def test_mecab_never_cuts_within_a_character():
  # jumandic has a word that ends within で and a second hiragana.
  mecab, text = mecab_with("jumandic"), "でつ\U000f9cc5"
  assert "\udce3\udc81" in plain_tagger("jumandic").parse(text)
  words, spans = mecab.split_with_spans(text)
  assert (words, spans) == (["でつ", "\U000f9cc5"], [(0, 2), (2, 3)])


def test_mecab_takes_a_directory_with_spaces_and_pickles(tmp_path):
  folder = tmp_path / "my 'dictionary"
  folder.symlink_to(pytest.importorskip("ipadic").DICDIR)
  mecab = segmenters.Mecab(str(folder))
  copy = pickle.loads(pickle.dumps(mecab))
  assert copy.split(SENTENCE) == mecab.split(SENTENCE)
  assert mecab.split(SENTENCE) == mecab_with("ipadic").split(SENTENCE)


@pytest.mark.parametrize(
  ("segmenter", "expected"),
  [
    (segmenters.Whitespace, "Whitespace()"),
    (lambda: mecab_with("ipadic"), "Mecab('ipadic')"),
    (lambda: segmenters.Jumanpp(sys.executable), f"Jumanpp({sys.executable!r})"),
  ],
)
def test_repr_tells_the_settings_and_survives_pickling(segmenter, expected):
  segmenter = segmenter()
  assert repr(segmenter) == repr(pickle.loads(pickle.dumps(segmenter))) == expected


def test_unknown_dictionary_is_one_line(tmp_path):
  pytest.importorskip("MeCab")
  with pytest.raises(ValueError) as caught:
    segmenters.Mecab("naist")
  assert str(caught.value) == (
    "MeCab dictionary 'naist': expected ipadic, jumandic, unidic-lite or a directory "
    "with sys.dic; compile one with mecab-dict-index"
  )


def test_damaged_dictionary_is_one_line(tmp_path):
  pytest.importorskip("MeCab")
  (tmp_path / "sys.dic").write_bytes(b"abc")
  with pytest.raises(ValueError, match="^MeCab dictionary .* cannot read .*$"):
    segmenters.Mecab(str(tmp_path))


def test_dictionary_in_another_encoding_is_one_line(monkeypatch):
  mecab = pytest.importorskip("MeCab")

  pytest.importorskip("ipadic")
  information = types.SimpleNamespace(charset="EUC-JP")
  tagger = types.SimpleNamespace(dictionary_info=lambda: information)
  monkeypatch.setattr(mecab, "Tagger", lambda arguments: tagger)
  with pytest.raises(ValueError, match="'ipadic': expected one in UTF-8, found EUC-JP"):
    segmenters.Mecab("ipadic")


@pytest.mark.parametrize(
  ("module", "dictionary", "named"),
  [
    ("MeCab", "ipadic", "ipadic"),
    ("jumandic", "jumandic", "jumandic"),
    ("unidic_lite", "unidic-lite", "unidic-lite"),
    ("MeCab", "some/path", "a dictionary"),
  ],
)
def test_missing_package_is_one_line(monkeypatch, module, dictionary, named):
  pytest.importorskip("MeCab")
  monkeypatch.setitem(sys.modules, module, None)
  with pytest.raises(ImportError) as caught:
    segmenters.Mecab(dictionary)
  assert str(caught.value) == (
    f'--tokenizer needs mecab-python3 and {named}: pip install "bert_ja[ja]"'
  )


def test_jumanpp_words_without_alternatives_and_spaces(jumanpp):
  text = "犬は 庭で\u3000@ # \\ @@EOS\nです"
  words, spans = jumanpp.split_with_spans(text)
  check_words(text, words, spans)
  assert words == ["犬は", "庭で", "@", "#", "\\", "@", "@", "EOS", "です"]
  assert jumanpp.split(text) == words


@given(text=texts.TEXTS)
@settings(max_examples=100, deadline=None)
def test_jumanpp_words_cover_any_text(shared_jumanpp, text):
  words, spans = shared_jumanpp.split_with_spans(text)
  assert words == shared_jumanpp.split(text)
  check_words(text, words, spans)


@pytest.fixture(scope="module")
def shared_jumanpp(tmp_path_factory):
  program = tmp_path_factory.mktemp("bin") / "fake.py"
  program.write_text(FAKE_JUMANPP, encoding="utf-8")
  segmenter = segmenters.Jumanpp(shlex.join([sys.executable, str(program), "unused"]))
  yield segmenter
  segmenter.close()


@pytest.mark.parametrize("text", ["# S-ID:1 は", "#", "##JUMAN++ a", "#\n# 犬"])
def test_jumanpp_takes_no_text_for_a_comment(jumanpp, text):
  assert "".join(jumanpp.split(text)) == "".join(text.split())


@pytest.mark.parametrize("unit", ["犬は庭で寝ている。", "😀", "#", "a ", "\n"])
def test_jumanpp_gets_long_texts_in_parts(jumanpp, unit):
  text = (unit * 20_000)[:20_000]
  words, spans = jumanpp.split_with_spans(text)
  check_words(text, words, spans)


def test_jumanpp_is_started_once(jumanpp):
  assert answer(jumanpp) == answer(jumanpp)


def test_jumanpp_that_was_killed_is_started_again(jumanpp):
  (first,) = answer(jumanpp)
  os.kill(int(first), signal.SIGKILL)
  (second,) = answer(jumanpp)
  assert first != second and jumanpp.split("犬は") == ["犬は"]


def answer(jumanpp):
  """The fake's process id, past the check of words, which it is no word of."""
  return list(segmenters._surfaces(jumanpp._ask("PID")))


def test_jumanpp_that_dies_once_gets_the_line_again(jumanpp):
  jumanpp.split("犬")
  assert jumanpp.split("ONCE") == ["ONCE"]


def test_jumanpp_that_dies_of_a_text_is_one_line_and_then_goes_on(jumanpp):
  jumanpp.split("犬")
  with pytest.raises(ChildProcessError) as caught:
    jumanpp.split("CRASH犬")
  assert "ended with status 3 at 'CRASH犬'; its own message" in str(caught.value)
  assert "\n" not in str(caught.value)
  assert jumanpp.split("猫") == ["猫"]


def test_jumanpp_that_hangs_is_one_line_and_then_goes_on(jumanpp):
  jumanpp.split("犬")
  jumanpp.timeout_seconds = 0.5
  with pytest.raises(ChildProcessError) as caught:
    jumanpp.split("HANG" + "犬" * 50)
  expected = f"gave no answer within 0.5 seconds for 'HANG{'犬' * 26}...'; try it"
  assert expected in str(caught.value)
  jumanpp.timeout_seconds = 20
  assert jumanpp.split("猫") == ["猫"]


def test_jumanpp_with_other_words_than_the_text_is_one_line(jumanpp):
  with pytest.raises(
    ChildProcessError, match="was expected to give the words of 'PID' and"
  ):
    jumanpp.split("PID")


def test_program_that_is_not_jumanpp_is_one_line():
  jumanpp = segmenters.Jumanpp("true")
  with pytest.raises(ChildProcessError, match="^'true' ended with status 0 at '犬'.*$"):
    jumanpp.split("犬")


def test_missing_jumanpp_is_one_line():
  with pytest.raises(FileNotFoundError) as caught:
    segmenters.Jumanpp("no-such-jumanpp --beam 5")
  assert str(caught.value) == (
    "--tokenizer needs the program Juman++, but 'no-such-jumanpp --beam 5' was not "
    "found: install it from https://github.com/ku-nlp/jumanpp (it is no Python package) "
    "and put it on PATH"
  )


def test_jumanpp_pickles_without_its_process(jumanpp):
  (first,) = answer(jumanpp)
  copy = pickle.loads(pickle.dumps(jumanpp))
  (second,) = answer(copy)
  copy.close()
  assert first != second and copy.timeout_seconds == jumanpp.timeout_seconds


def test_forked_process_starts_its_own_jumanpp(jumanpp):
  (first,) = answer(jumanpp)
  context = multiprocessing.get_context("fork")
  receiver, sender = context.Pipe(duplex=False)

  def in_child():
    sender.send(answer(jumanpp)[0])
    jumanpp.close()

  process = context.Process(target=in_child)
  process.start()
  assert receiver.poll(20)
  second = receiver.recv()
  process.join()
  assert second != first
  assert answer(jumanpp) == [first]


def test_close_ends_the_process(jumanpp):
  (first,) = answer(jumanpp)
  jumanpp.close()
  with pytest.raises(ProcessLookupError):
    os.kill(int(first), 0)


def test_forgotten_segmenter_ends_its_process(jumanpp):
  copy = pickle.loads(pickle.dumps(jumanpp))
  (pid,) = answer(copy)
  del copy
  with pytest.raises(ProcessLookupError):
    os.kill(int(pid), 0)
