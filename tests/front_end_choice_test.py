"""Which front end a directory speaks for."""

import json
import os

import pytest

from bert_ja import front_end_choice, front_ends, model_files

_FULL_WIDTH_DIGITS = {ord(str(d)): chr(0xFF10 + d) for d in range(10)}


def write_settings(directory, name, **values):
  with open(os.path.join(directory, name), "w", encoding="utf-8") as writer:
    json.dump(values, writer)


class TestChoose:
  def test_the_published_models(self, models):
    for name, directories in models.items():
      for directory in directories:
        assert front_end_choice.choose(model_files.find(directory)).name == name

  def test_what_was_written_is_found_again_whatever_the_directory_is_called(
    self, models, jumanpp, tmp_path
  ):
    for name, directories in models.items():
      files = model_files.find(directories[0])
      output = str(tmp_path / f"{name}-nict-kyoto-tohoku")
      os.makedirs(output)
      model_files.write_tokenizer(
        output, files.vocab_file, {"tokenizer": name}, files.model_file
      )
      write_settings(output, "config.json")
      found = model_files.find(output)
      assert front_end_choice.choose(found).name == name
      front = front_ends.create(name, files.vocab_file, files.model_file)
      again = front_ends.create(name, found.vocab_file, found.model_file)
      assert again.fingerprint == front.fingerprint

  @pytest.mark.parametrize(
    ("pieces", "name"),
    [
      (["食", "Ｂ", "##た"], "nict-bpe"),
      (["食", "Ｂ"], "nict-100k"),
      (["食", "Ｂ", "B"], "multilingual-cased"),
      (["食", "b"], "google"),
    ],
  )
  def test_by_the_vocabulary(self, pieces, name, vocab_file, tmp_path):
    vocab_file(*pieces)
    write_settings(tmp_path, "config.json")
    choice = front_end_choice.choose(model_files.find(str(tmp_path)))
    assert choice.name == name and choice.reason

  def test_kyotos_vocabulary_is_known_by_its_size(self, vocab_file, tmp_path):
    pieces = ["Ｂ", *(f"##{index}" for index in range(32_000))]
    pieces = [
      piece.replace("##", "##あ").translate(_FULL_WIDTH_DIGITS) for piece in pieces
    ]
    vocab_file(*pieces)
    write_settings(tmp_path, "config.json")
    assert front_end_choice.choose(model_files.find(str(tmp_path))).name == "kyoto"

  def test_a_tokenizer_class_in_the_configuration_counts(self, vocab_file, tmp_path):
    vocab_file("食")
    write_settings(tmp_path, "config.json", tokenizer_class="BertJapaneseTokenizer")
    assert front_end_choice.choose(model_files.find(str(tmp_path))).name == "tohoku"

  def test_archives_by_their_dictionaries_name(self, vocab_file, tmp_path):
    path = tmp_path / "BERT-base_mecab-ipadic-char-4k_whole-word-mask"
    path.mkdir()
    os.rename(vocab_file("食"), path / "vocab.txt")
    write_settings(path, "config.json")
    files = model_files.find(str(path))
    assert front_end_choice.choose(files).name == "tohoku"

  def test_an_unknown_name_in_the_settings_is_blamed_on_them(self, vocab_file):
    settings = {"tokenizer": "kyouto"}
    files = model_files.ModelFiles("", None, "c", vocab_file(), settings, {})
    with pytest.raises(ValueError, match=r"tokenizer_config.json of .* 'kyouto'"):
      front_end_choice.choose(files)

  def test_a_model_without_a_vocabulary(self, tmp_path):
    (tmp_path / "wiki-ja.model").write_text("")
    files = model_files.find(str(tmp_path))
    with pytest.raises(ValueError, match="has no vocabulary; give --vocab_file"):
      front_end_choice.choose(files)

  def test_flags_alone_mean_the_original(self, vocab_file):
    files = model_files.ModelFiles("", None, "c", vocab_file("A"), {}, {})
    assert front_end_choice.choose(files).name == "google"
