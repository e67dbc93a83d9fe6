"""A tokenizer from flags and a model's settings, and whether it fits the model."""

import types

import pytest

from bert_ja import model_files
from bert_ja.flags import model_flags, tokenizer_flags

PIECES = ("[UNK]", "[CLS]", "[SEP]", "が", "か", "A", "a", "漢", "字", "##字")


@pytest.fixture
def files(tmp_path):
  """Function: tokenizer settings -> ModelFiles with a vocabulary."""

  def files(**settings):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return model_files.ModelFiles("", "w", "c.json", str(path), settings, {})

  return files


def pieces(files, flag_values, text="が A 漢字"):
  return tokenizer_flags.create_tokenizer(files, flag_values).tokenize(text)


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-8."""
    assert own_values(tokenizer_flags) == {
      "tokenizer": "auto",
      "vocab_file": None,
      "model_file": None,
      "do_lower_case": True,
      "strip_accents": None,
      "tokenize_chinese_chars": True,
    }


class TestCreateTokenizer:
  def test_by_default_text_is_lowered_stripped_and_ideographs_stand_alone(
    self, parse, files
  ):
    assert pieces(files(), parse()) == ["か", "a", "漢", "字"]

  @pytest.mark.parametrize(
    ("argument", "expected"),
    [
      ("--nodo_lower_case", ["が", "A", "漢", "字"]),
      ("--nostrip_accents", ["が", "a", "漢", "字"]),
      ("--notokenize_chinese_chars", ["か", "a", "漢", "##字"]),
    ],
  )
  def test_each_switch(self, parse, files, argument, expected):
    assert pieces(files(), parse(argument)) == expected

  @pytest.mark.parametrize(
    ("setting", "expected"),
    [
      ({"do_lower_case": False}, ["が", "A", "漢", "字"]),
      ({"strip_accents": False}, ["が", "a", "漢", "字"]),
      ({"tokenize_chinese_chars": False}, ["か", "a", "漢", "##字"]),
    ],
  )
  def test_the_models_settings_replace_the_defaults(
    self, parse, files, setting, expected
  ):
    assert pieces(files(**setting), parse()) == expected

  def test_a_given_flag_beats_the_model_even_if_it_equals_the_default(
    self, parse, files
  ):
    model = files(do_lower_case=False, tokenize_chinese_chars=False)
    flag_values = parse("--do_lower_case", "--tokenize_chinese_chars")
    assert pieces(model, flag_values) == ["か", "a", "漢", "字"]

  def test_other_settings_of_the_model_are_passed_over(self, parse, files):
    assert pieces(files(model_max_length=512), parse(), "a") == ["a"]

  @pytest.mark.parametrize(
    ("directory", "message"),
    [
      ("models/tiny", "models/tiny has no vocabulary; give --vocab_file"),
      ("", "the model has no vocabulary; give --vocab_file"),
    ],
  )
  def test_without_a_vocabulary_the_flag_is_named(self, parse, directory, message):
    files = model_files.ModelFiles(directory, None, "c.json", None, {}, {})
    with pytest.raises(ValueError, match=message):
      tokenizer_flags.create_tokenizer(files, parse())


class TestFrontEnd:
  def test_settings_beside_the_vocabulary_count(self, parse, files, tmp_path):
    vocab_file = files().vocab_file
    settings = '{"tokenizer": "multilingual-cased"}'
    (tmp_path / "tokenizer_config.json").write_text(settings)
    flag_values = parse(f"--vocab_file={vocab_file}", "--bert_config_file=c.json")
    found = model_flags.find(flag_values)
    assert pieces(found, flag_values) == ["が", "A", "漢", "字"]

  def test_the_flag_beats_what_the_files_speak_for(self, parse, files):
    model = files(tokenizer="multilingual-cased")
    assert pieces(model, parse()) == ["が", "A", "漢", "字"]
    assert pieces(model, parse("--tokenizer=google")) == ["か", "a", "漢", "字"]

  def test_the_choice_and_its_reason_are_one_line_of_the_log(
    self, parse, files, caplog
  ):
    with caplog.at_level("INFO", logger="absl"):
      tokenizer_flags.create_tokenizer(files(tokenizer="multilingual-cased"), parse())
    (record,) = caplog.records
    expected = "Tokenizer: multilingual-cased (tokenizer_config.json names it): the"
    assert record.getMessage().startswith(expected)

  @pytest.mark.parametrize("switch", ["do_lower_case", "strip_accents"])
  def test_a_switch_that_means_nothing_is_refused(self, parse, files, switch):
    flag_values = parse("--tokenizer=pretokenized", f"--{switch}")
    with pytest.raises(
      ValueError, match=f"--{switch} means nothing to --tokenizer=pre"
    ):
      tokenizer_flags.create_tokenizer(files(), flag_values)

  def test_lower_case_is_the_front_ends_own_unless_it_is_given(self, parse, files):
    assert pieces(files(), parse("--tokenizer=tohoku"), "A") == ["A"]
    flag_values = parse("--tokenizer=tohoku", "--do_lower_case")
    assert pieces(files(), flag_values, "A") == ["a"]


class TestCheck:
  def _check(self, parse, files, *arguments, vocab_size=10):
    tokenizer = tokenizer_flags.create_tokenizer(files, parse(*arguments))
    config = types.SimpleNamespace(vocab_size=vocab_size)
    tokenizer_flags.check(tokenizer, config, files)

  @pytest.mark.parametrize("spare", [0, 3])
  def test_no_more_pieces_than_rows_is_fine(self, parse, files, spare):
    self._check(parse, files(), vocab_size=10 + spare)

  def test_more_pieces_than_rows_names_both_files(self, parse, files):
    """Contract A-22."""
    message = (
      "vocab.txt has 10 pieces, c.json a vocab_size of 9; use the vocabulary of this"
    )
    with pytest.raises(ValueError, match=message):
      self._check(parse, files(), vocab_size=9)

  def test_the_case_of_a_released_model_is_held(self, parse, files):
    """Contract A-19."""
    released = "cased_L-12_H-768_A-12/bert_model.ckpt"
    model = model_files.ModelFiles("", released, "c", files().vocab_file, {}, {})
    self._check(parse, model, "--nodo_lower_case")
    with pytest.raises(ValueError, match="pass --do_lower_case=False"):
      self._check(parse, model)

  def test_the_models_own_setting_counts_as_the_case(self, parse, files):
    released = "cased_L-12_H-768_A-12/bert_model.ckpt"
    settings = {"do_lower_case": False}
    model = model_files.ModelFiles("", released, "c", files().vocab_file, settings, {})
    self._check(parse, model)
