"""Named front ends: what each makes of a text."""

import pickle

import pytest

from bert_ja import front_ends, model_files
from tests import published_models


class TestFrontEnds:
  """What each makes of a text that is full of the matters they treat differently."""

  TEXT = "ＢERTで がパを食べた。"

  def pieces(self, name, vocab_file, *words, **settings):
    return front_ends.create(name, vocab_file(*words), settings=settings)

  def test_google_strips_voicing_marks_and_lowers(self, vocab_file):
    words = ["ｂert", "##て", "か", "##ハを", "食", "へた", "。"]
    tokenizer = self.pieces("google", vocab_file, *words, "ハ", "##ハ", "##を")
    assert tokenizer.tokenize(self.TEXT) == [
      "ｂert",
      "##て",
      "か",
      "##ハを",
      "食",
      "へた",
      "。",
    ]

  def test_multilingual_cased_keeps_case_and_marks(self, vocab_file):
    words = ["ＢERT", "##で", "が", "##パを", "食", "べた", "。"]
    tokenizer = self.pieces("multilingual-cased", vocab_file, *words)
    assert tokenizer.tokenize(self.TEXT) == words

  def test_tohoku_composes_before_it_segments(self, vocab_file):
    words = ["BERT", "で", "が", "パ", "を", "食べ", "た", "。"]
    tokenizer = self.pieces("tohoku", vocab_file, *words)
    tokens, spans = tokenizer.tokenize_with_offsets("ＢERTで ｶﾞﾊﾟを食べた。")
    assert tokens[:2] == ["BERT", "で"]
    assert tokens[-4:] == ["を", "食べ", "た", "。"]
    assert spans[-4:] == [(10, 11), (11, 13), (13, 14), (14, 15)]

  def test_tohoku_characters(self, vocab_file):
    tokenizer = self.pieces(
      "tohoku", vocab_file, *"BERTで食べた", subword_tokenizer_type="character"
    )
    assert tokenizer.tokenize("ＢERTで鯛食べた") == [*"BERTで", "[UNK]", *"食べた"]

  def test_nict_is_full_width(self, vocab_file):
    tokenizer = self.pieces(
      "nict-bpe", vocab_file, "ＢＥＲＴ", "で", "２", "##０", "０"
    )
    assert tokenizer.tokenize("BERT で20") == ["ＢＥＲＴ", "で", "２", "##０"]

  def test_nict_100k_has_words_only(self, vocab_file):
    tokenizer = self.pieces("nict-100k", vocab_file, "食べた", "食", "。")
    assert tokenizer.tokenize("食べた｡食べない") == ["食べた", "。", "[UNK]", "[UNK]"]

  def test_kyoto_asks_jumanpp(self, vocab_file, jumanpp):
    tokenizer = self.pieces("kyoto", vocab_file, "食", "べた", "Ｂ")
    tokens, spans = tokenizer.tokenize_with_offsets("食べた\u3000 B鯛")
    assert tokens == ["食", "べた", "Ｂ", "[UNK]"]
    assert spans == [(0, 1), (1, 3), (5, 6), (6, 7)]

  def test_pretokenized_takes_pieces_as_they_are(self, vocab_file):
    tokenizer = self.pieces("pretokenized", vocab_file, "食べ", "##た", "▁b")
    tokens, spans = tokenizer.tokenize_with_offsets("食べ ##た\u3000▁b た")
    assert tokens == ["食べ", "##た", "▁b", "[UNK]"]
    settings = {"do_lower_case": True}  # As converted models have it.
    path = vocab_file("ABC")
    tokenizer = front_ends.create("pretokenized", path, settings=settings)
    assert tokenizer.tokenize("ABC [MASK]") == ["ABC", "[MASK]"]
    assert spans == [(0, 2), (3, 6), (7, 9), (10, 11)]

  def test_bert_japanese_has_id_0_for_unknown_and_padding(self, models):
    """Contract B-14, B-15."""
    files = model_files.find(models["bert-japanese"][0])
    tokenizer = front_ends.create("bert-japanese", files.vocab_file, files.model_file)
    pieces = tokenizer.tokenize("BERTで鯛")
    ids = tokenizer.convert_tokens_to_ids(pieces)
    assert "鯛" in pieces and ids[pieces.index("鯛")] == 0
    assert tokenizer.pad_id == 0 != tokenizer.vocab["[PAD]"]
    assert "".join(pieces) == "▁bertで鯛"  # B-18: lower case
    assert tokenizer.convert_ids_to_tokens([0, 10**6]) == ["<unk>", "<unk>"]

  def test_hottosns_has_names_for_unknown_and_padding(self, models):
    files = model_files.find(models["hottosns"][0])
    tokenizer = front_ends.create("hottosns", files.vocab_file, files.model_file)
    assert tokenizer.convert_tokens_to_ids(["鯛"]) == [tokenizer.vocab["<unk>"]]
    assert tokenizer.pad_id == tokenizer.vocab["<pad>"]

  def test_padding_is_looked_up_by_name(self, vocab_file):
    specials = ("[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]")
    path = vocab_file("食", specials=specials)
    for name in ("google", "multilingual-cased", "nict-bpe", "pretokenized"):
      assert front_ends.create(name, path).pad_id == 4, name

  def test_voicing_marks_survive_where_accents_are_not_stripped(
    self, vocab_file, models, jumanpp
  ):
    text = "ガパがぱ"
    path = vocab_file("ガ", "パ", "が", "ぱ", "##ガ", "##パ", "##が", "##ぱ", text)
    for name, front_end in front_ends.FRONT_ENDS.items():
      if front_end.pieces == "sentencepiece":
        files = model_files.find(models[name][0])
        tokenizer = front_ends.create(name, files.vocab_file, files.model_file)
      else:
        accents = {"strip_accents": False} if name == "google" else {}
        tokenizer = front_ends.create(name, path, settings=accents)
      ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))
      assert tokenizer.unk_id not in ids or front_end.pieces == "sentencepiece"
      joined = "".join(tokenizer.tokenize(text)).replace("##", "").replace("▁", "")
      assert joined == text, name

  def test_every_front_end_survives_a_worker_process(self, models, jumanpp):
    for name, directories in models.items():
      files = model_files.find(directories[0])
      tokenizer = front_ends.create(name, files.vocab_file, files.model_file)
      copy = pickle.loads(pickle.dumps(tokenizer))
      for text in published_models.SENTENCES:
        expected = tokenizer.tokenize_with_offsets(text)
        assert copy.tokenize_with_offsets(text) == expected
        assert tokenizer.tokenize(text) == expected[0]
      assert copy.fingerprint == tokenizer.fingerprint

  def test_fingerprints_differ_where_results_may(self, vocab_file, jumanpp):
    path = vocab_file("食")
    names = [n for n, f in front_ends.FRONT_ENDS.items() if f.pieces != "sentencepiece"]
    names.remove("nict-100k")  # The same parts as nict-bpe.
    fingerprints = {front_ends.create(name, path).fingerprint for name in names}
    assert len(fingerprints) == len(names)

  @pytest.mark.parametrize(
    ("size", "dictionary"), [(32_000, "ipadic"), (32_768, "unidic-lite")]
  )
  def test_tohokus_dictionary_follows_the_size(self, size, dictionary, vocab_file):
    specials = published_models.SPECIALS
    path = vocab_file(*map(str, range(size - len(specials))))
    tokenizer = front_ends.create("tohoku", path)
    stated = tokenizer.settings["mecab_kwargs"]["mecab_dic"]
    assert stated == dictionary.replace("-", "_")

  def test_a_blank_line_is_no_name_for_id_0(self, models, vocab_file):
    """Contract B-14, B-15: also where the vocabulary ends in a blank line."""
    files = model_files.find(models["bert-japanese"][0])
    path = vocab_file("店", "", specials=("<unk>", "[CLS]", "[SEP]"))
    tokenizer = front_ends.create("bert-japanese", path, files.model_file)
    assert (tokenizer.unk_id, tokenizer.pad_id) == (0, 0)

  def test_a_dictionarys_path_stays_as_it_is(self, vocab_file, tmp_path):
    settings = {"mecab_kwargs": {"mecab_dic": str(tmp_path / "my_dic")}}
    with pytest.raises(ValueError, match="my_dic': expected ipadic"):
      front_ends.create("tohoku", vocab_file(), None, settings)

  def test_a_vocabulary_of_characters_speaks_for_them(self, vocab_file):
    tokenizer = self.pieces("tohoku", vocab_file, *"食べた")
    assert tokenizer.tokenize("食べた鯛") == [*"食べた", "[UNK]"]


class TestCreateErrors:
  def test_an_unknown_name_lists_those_there_are(self, vocab_file):
    with pytest.raises(
      ValueError, match="--tokenizer=kyouto is not known; choose auto"
    ):
      front_ends.create("kyouto", vocab_file())

  @pytest.mark.parametrize("name", ["bert-japanese", "hottosns"])
  def test_a_missing_model_file_is_named(self, name, vocab_file):
    """Contract B-19."""
    with pytest.raises(ValueError, match="give --model_file"):
      front_ends.create(name, vocab_file())

  def test_a_model_file_that_is_not_wanted(self, vocab_file):
    with pytest.raises(ValueError, match="--tokenizer=tohoku takes no SentencePiece"):
      front_ends.create("tohoku", vocab_file(), "spm.model")

  @pytest.mark.parametrize("name", ["google", "tohoku", "nict-100k", "pretokenized"])
  def test_a_vocabulary_with_scores_is_refused(self, name, vocab_file):
    path = vocab_file(specials=("[CLS]\t0", "[SEP]\t0", "[UNK]\t0"))
    with pytest.raises(ValueError, match=r"vocab.txt: expected \[CLS\].*no scores"):
      front_ends.create(name, path)

  def test_hottosns_needs_its_names(self, vocab_file, models):
    files = model_files.find(models["bert-japanese"][0])
    specials = ("[PAD]", "[CLS]", "[SEP]")
    with pytest.raises(ValueError, match="found no <unk>"):
      front_ends.create("hottosns", vocab_file(specials=specials), files.model_file)

  def test_columns_of_a_piece_vocabulary(self, vocab_file, models):
    files = model_files.find(models["bert-japanese"][0])
    path = vocab_file(specials=("<unk>\t0", "[CLS]\t0", "[SEP]"))
    with pytest.raises(ValueError, match=r"vocab.txt:3: expected 2 columns"):
      front_ends.create("bert-japanese", path, files.model_file)
    path = vocab_file(specials=("<unk>\t0\t1",))
    with pytest.raises(ValueError, match="found 3 columns"):
      front_ends.create("bert-japanese", path, files.model_file)

  def test_settings_of_another_analyser(self, vocab_file):
    with pytest.raises(ValueError, match="word_tokenizer_type 'sudachi' is not known"):
      front_ends.create(
        "tohoku", vocab_file(), None, {"word_tokenizer_type": "sudachi"}
      )


class TestLoadConfig:
  @pytest.mark.parametrize("name", ["bert-japanese", "google", None])
  def test_a_file_says_all(self, tmp_path, name):
    path = tmp_path / "config.json"
    path.write_text('{"vocab_size": 37, "hidden_size": 24, "type_vocab_size": 5}')
    files = model_files.ModelFiles("", None, str(path), None, {}, {})
    config = front_ends.load_config(name, files)
    assert (config.vocab_size, config.hidden_size, config.type_vocab_size) == (
      37,
      24,
      5,
    )

  def test_without_a_file_it_is_the_familys(self):
    files = model_files.ModelFiles("", None, None, None, {}, {})
    config = front_ends.load_config("bert-japanese", files)
    assert (config.vocab_size, config.type_vocab_size) == (32000, 2)


class TestDefaultConfig:
  def test_kikutas_model_has_type_vocab_size_2(self, models):
    """Contract B-5: without weights, the published sizes."""
    files = model_files.find(models["bert-japanese"][0], weights=False)
    config = front_ends.default_config("bert-japanese", files)
    assert (config["type_vocab_size"], config["vocab_size"]) == (2, 32000)
    assert (config["num_hidden_layers"], config["num_attention_heads"]) == (12, 12)

  def test_sizes_are_those_of_the_weights(self, models):
    files = model_files.find(models["bert-japanese"][0])
    config = front_ends.default_config("bert-japanese", files)
    expected = {**published_models.CONFIG, "num_attention_heads": 1}
    assert {name: config[name] for name in expected} == expected

  def test_other_models_need_theirs(self, models):
    files = model_files.find(models["hottosns"][0])
    with pytest.raises(ValueError, match="has no configuration.*--bert_config_file"):
      front_ends.default_config("hottosns", files)


class TestWordsOf:
  def test_words_before_pieces(self):
    assert front_ends.words_of("google")("Aが、c") == ["aか", "、", "c"]
    assert front_ends.words_of("nict-bpe")("BERTで食べた") == [
      "ＢＥＲＴ",
      "で",
      "食べた",
    ]
    assert front_ends.words_of("tohoku")("ＢERTで食べた") == [
      "BERT",
      "で",
      "食べ",
      "た",
    ]
    assert front_ends.words_of("pretokenized")("a b") == ["a", "b"]

  def test_pieces_without_words_are_refused(self):
    with pytest.raises(ValueError, match="has pieces and no words"):
      front_ends.words_of("bert-japanese")
