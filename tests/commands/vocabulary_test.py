"""Training a vocabulary by command: files, what reads them, the report, refusals."""

import itertools
import json
import pathlib
import re

import pytest
import sentencepiece
from absl.testing import flagsaver

from bert_ja import front_ends, text_io, tokenization
from bert_ja.commands import vocabulary

SENTENCES = [
  "".join(parts)
  for parts in itertools.product(
    ["叔父が", "近所の犬は", "先生たちも", "ぼくたちは", "Hanaは"],
    ["夜の電車で", "駅前のベンチで", "近所の図書館で", "橋の上で", "がけの下で"],
    [
      "手紙を書いていた。",
      "休んでいます。",
      "本を読んでいた。",
      "道を聞いていた。",
      "歌っています。",
    ],
  )
]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module", autouse=True)
def command_flags():
  """The command's flags, taken away again for the sake of other tests."""
  before = set(vocabulary.FLAGS)
  vocabulary.define_flags(vocabulary.FLAGS)
  vocabulary.FLAGS.mark_as_parsed()
  yield
  for name in set(vocabulary.FLAGS) - before:
    delattr(vocabulary.FLAGS, name)


@pytest.fixture
def text(tmp_path):
  path = tmp_path / "text.txt"
  path.write_text("\n".join(SENTENCES) + "\n")
  return path


def run(input_file, output_dir, kind, **flags):
  """Runs the command; values are as on a command line."""
  flags = {"vocab_size": "95" if kind == "wordpiece" else "75", **flags}
  with flagsaver.as_parsed(
    input_file=str(input_file), output_dir=str(output_dir), kind=kind, **flags
  ):
    vocabulary.main(["vocabulary"])


def settings_in(folder):
  return json.loads((folder / "tokenizer_config.json").read_text())


def vocab_in(folder):
  return (folder / "vocab.txt").read_text().splitlines()


class TestWordPiece:
  def test_full_tokenizer_reads_the_files_and_knows_the_text(self, tmp_path, text):
    run(text, tmp_path / "out", "wordpiece")
    vocab_file = str(tmp_path / "out" / "vocab.txt")
    settings = settings_in(tmp_path / "out")
    assert settings.pop("tokenizer") == "google"
    tokenizer = tokenization.FullTokenizer(vocab_file, **settings)
    assert list(tokenizer.vocab)[:5] == SPECIALS
    assert list(tokenizer.vocab.values()) == list(range(95))
    for sentence in SENTENCES:
      pieces = tokenizer.tokenize(sentence)
      assert "".join(p.removeprefix("##") for p in pieces) == sentence.lower()

  def test_only_the_named_files_are_written(self, tmp_path, text):
    run(text, tmp_path / "out", "wordpiece")
    assert text_io.listdir(str(tmp_path / "out")) == [
      "tokenizer_config.json",
      "vocab.txt",
    ]

  def test_the_same_again(self, tmp_path, text):
    for name in "first", "second":
      run(text, tmp_path / name, "wordpiece", max_sentences="70")
    assert vocab_in(tmp_path / "first") == vocab_in(tmp_path / "second")

  def test_voicing_marks_stay_unless_stripped(self, tmp_path, text):
    run(text, tmp_path / "out", "wordpiece")
    run(text, tmp_path / "stripped", "wordpiece", strip_accents="true")
    voiced = [{"が", "##が"} & set(vocab_in(tmp_path / n)) for n in ("out", "stripped")]
    assert voiced[0]
    assert not voiced[1]
    assert settings_in(tmp_path / "stripped")["strip_accents"] is True

  def test_case_is_the_tokenizers_own_unless_given(self, tmp_path, text):
    cases = {
      ("google",): False,
      ("google", "false"): True,
      ("multilingual-cased",): True,
      ("multilingual-cased", "true"): False,
    }
    for (name, *given), capitals in cases.items():
      folder = tmp_path / "-".join([name, *given])
      flags = {"do_lower_case": given[0]} if given else {}
      run(text, folder, "wordpiece", tokenizer=name, **flags)
      assert ("H" in vocab_in(folder)) == capitals
      assert settings_in(folder)["do_lower_case"] == (not capitals)

  def test_ideographs_join_where_they_are_no_words(self, tmp_path, text):
    # Without ideographs apart, a sentence without spaces is one word up to its 。
    run(
      text, tmp_path / "out", "wordpiece", tokenize_chinese_chars="0", vocab_size="150"
    )
    assert "##の" in vocab_in(tmp_path / "out")
    assert settings_in(tmp_path / "out")["tokenize_chinese_chars"] is False

  def test_whole_words_are_the_most_frequent(self, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("犬 が 犬 を 見る\n犬 が 走る\n\n見る 犬\n")
    run(path, tmp_path / "out", "wordpiece", tokenizer="pretokenized", vocab_size="8")
    assert vocab_in(tmp_path / "out") == [*SPECIALS, "犬", "が", "見る"]

  @pytest.mark.parametrize("dictionary", ["ipadic", "unidic_lite"])
  def test_the_dictionary_is_kept_with_the_vocabulary(self, tmp_path, text, dictionary):
    pytest.importorskip("MeCab")
    run(text, tmp_path, "wordpiece", tokenizer="tohoku", mecab_dic=dictionary)
    settings = settings_in(tmp_path)
    assert settings["tokenizer"] == "tohoku"
    assert settings["mecab_kwargs"] == {"mecab_dic": dictionary}
    vocab_file = str(tmp_path / "vocab.txt")
    tokenizer = front_ends.create("tohoku", vocab_file, None, settings)
    for sentence in SENTENCES:
      assert "[UNK]" not in tokenizer.tokenize(sentence)

  def test_fewer_pieces_than_asked_for_are_told(self, tmp_path, text, caplog):
    run(text, tmp_path / "out", "wordpiece", vocab_size="2000")
    size = len(vocab_in(tmp_path / "out"))
    assert f"The text gives {size} pieces, fewer than --vocab_size=2000" in caplog.text


class TestSentencePiece:
  def test_the_files_fit_each_other(self, tmp_path, text):
    run(text, tmp_path / "out", "sentencepiece", model_prefix="kotoba")
    names = ["kotoba.model", "kotoba.vocab", "tokenizer_config.json"]
    assert text_io.listdir(str(tmp_path / "out")) == names
    model = sentencepiece.SentencePieceProcessor(str(tmp_path / "out" / names[0]))
    lines = (tmp_path / "out" / names[1]).read_text().splitlines()
    pieces = [line.split("\t")[0] for line in lines]
    assert pieces == [model.id_to_piece(index) for index in range(75)]
    assert pieces[:7] == ["<unk>", "<s>", "</s>", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]

  def test_the_front_end_that_is_named_gives_the_librarys_ids(self, tmp_path, text):
    run(text, tmp_path, "sentencepiece")
    model_file, settings = str(tmp_path / "spm.model"), settings_in(tmp_path)
    tokenizer = front_ends.create(
      settings["tokenizer"], str(tmp_path / "spm.vocab"), model_file, settings
    )
    model = sentencepiece.SentencePieceProcessor(model_file)
    for sentence in [*SENTENCES, "鬱 [CLS]"]:
      ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(sentence))
      assert ids == model.encode(sentence.lower())

  @pytest.mark.parametrize(
    "flags, capitals", [({}, False), ({"do_lower_case": "0"}, True)]
  )
  def test_lower_case_unless_told(self, tmp_path, text, flags, capitals):
    run(text, tmp_path, "sentencepiece", **flags)
    assert ("H" in (tmp_path / "spm.vocab").read_text()) == capitals
    assert settings_in(tmp_path)["do_lower_case"] == (not capitals)

  def test_methods_and_coverage_reach_the_library(self, tmp_path, text):
    trials = {"default": {}, "bpe": {"model_type": "bpe"}}
    trials["less"] = {"character_coverage": "0.98"}
    for name, flags in trials.items():
      run(text, tmp_path / name, "sentencepiece", **flags)
    tables = {(tmp_path / name / "spm.vocab").read_text() for name in trials}
    assert len(tables) == 3

  def test_long_sentences_are_told(self, tmp_path, text, caplog):
    with text.open("a") as writer:
      writer.write("あ" * 1400 + "\n")
    run(text, tmp_path / "out", "sentencepiece")
    assert "1 of 126 sentences are longer than 4192 bytes" in caplog.text


class TestReport:
  def test_says_size_rates_and_paths(self, tmp_path, text, capsys):
    # The alphabet is cut, so that a part of the words is unknown.
    out = tmp_path / "out"
    run(text, out, "wordpiece", limit_alphabet="25")
    tokenizer = tokenization.FullTokenizer(str(out / "vocab.txt"), strip_accents=False)
    pieces = [piece for s in SENTENCES for piece in tokenizer.tokenize(s)]
    unknown = pieces.count("[UNK]") / len(pieces)
    assert 0.01 < unknown < 0.9
    assert capsys.readouterr().out == (
      f"{len(tokenizer.vocab)} pieces from 125 sentences; of 125 sentences "
      f"{100 * unknown:.3f}% of the pieces are unknown, with {len(pieces) / 125:.1f} "
      f"pieces a sentence\n{out}/vocab.txt\n{out}/tokenizer_config.json\n"
    )

  def test_of_sentence_pieces(self, tmp_path, text, capsys):
    run(text, tmp_path, "sentencepiece", character_coverage="0.98")
    model = sentencepiece.SentencePieceProcessor(str(tmp_path / "spm.model"))
    ids = [index for s in SENTENCES for index in model.encode(s.lower())]
    assert ids.count(0)
    lines = capsys.readouterr().out.splitlines()
    assert (
      f" {100 * ids.count(0) / len(ids):.3f}% of the pieces are unknown" in lines[0]
    )
    assert lines[1:] == [
      f"{tmp_path}/{name}"
      for name in ("spm.model", "spm.vocab", "tokenizer_config.json")
    ]

  def test_of_a_part_of_the_sentences(self, tmp_path, text, capsys):
    run(text, tmp_path / "out", "wordpiece", max_sentences="40")
    assert " pieces from 40 sentences; of 40 sentences" in capsys.readouterr().out


class TestInput:
  def test_paths_and_globs_with_commas_between(self, tmp_path, capsys):
    for name in ("a1.txt", "a2.txt", "b.txt", "c.txt"):
      (tmp_path / name).write_text("\n".join(SENTENCES[:50]))
    run(f"{tmp_path}/a?.txt,{tmp_path}/c.txt", tmp_path / "out", "wordpiece")
    assert " pieces from 150 sentences" in capsys.readouterr().out

  def test_a_path_that_looks_like_a_glob(self, tmp_path, text):
    path = text.rename(tmp_path / "text[1].txt")
    assert vocabulary.input_paths([str(path)]) == [str(path)]


class TestRefusals:
  def refused(self, text, folder, kind, match, error=ValueError, **flags):
    with pytest.raises(error, match=match):
      run(text, folder, kind, **flags)

  def test_missing_text(self, tmp_path):
    message = r"^--input_file: nowhere\*\.txt does not exist; expected the path"
    self.refused("nowhere*.txt", tmp_path, "wordpiece", message, FileNotFoundError)

  def test_missing_flags(self, tmp_path, text):
    with (
      flagsaver.as_parsed(input_file=str(text), kind="wordpiece"),
      pytest.raises(ValueError, match="^--output_dir is required"),
    ):
      vocabulary.main(["vocabulary"])

  @pytest.mark.parametrize(
    "kind, flags, message",
    [
      (
        "sentencepiece",
        {"tokenizer": "google"},
        "--tokenizer means nothing to --kind=s",
      ),
      ("sentencepiece", {"limit_alphabet": "9"}, "--limit_alphabet means nothing to"),
      ("sentencepiece", {"strip_accents": "1"}, "--strip_accents means nothing to"),
      (
        "wordpiece",
        {"model_type": "bpe"},
        "--model_type means nothing to --tokenizer=g",
      ),
      (
        "wordpiece",
        {"mecab_dic": "ipadic"},
        "--mecab_dic means nothing to --tokenizer=",
      ),
      (
        "wordpiece",
        {"tokenizer": "tohoku", "strip_accents": "1"},
        "--strip_accents means nothing to --tokenizer=tohoku; leave it out",
      ),
    ],
  )
  def test_flags_without_effect(self, tmp_path, text, kind, flags, message):
    self.refused(text, tmp_path, kind, f"^{message}", **flags)

  @pytest.mark.parametrize(
    "kind, name",
    [("wordpiece", "tokenizer_config.json"), ("sentencepiece", "spm.vocab")],
  )
  def test_existing_files(self, tmp_path, text, kind, name):
    (tmp_path / name).write_text("mine")
    message = rf"{re.escape(name)} exists; remove it or name another --output_dir"
    self.refused("never-read.txt", tmp_path, kind, message)
    assert (tmp_path / name).read_text() == "mine"

  @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
  def test_a_failure_writes_nothing(self, tmp_path, text, kind):
    message = "^--vocab_size=20 is too small"
    self.refused(text, tmp_path / "out", kind, message, vocab_size="20")
    assert not (tmp_path / "out").exists()

  @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
  def test_a_full_disk_leaves_nothing(self, tmp_path, text, kind, monkeypatch):
    copy = text_io.copy

    def copy_until_full(source, target):
      if "tokenizer_config" in source:
        pathlib.Path(target).write_text("{")
        raise OSError("No space left on device")
      copy(source, target)

    monkeypatch.setattr(text_io, "copy", copy_until_full)
    self.refused(text, tmp_path / "out", kind, "No space left", OSError)
    assert text_io.listdir(str(tmp_path / "out")) == []
