"""Tiny models in directories that look like the published archives, by name."""

import json
import os
import stat
import sys

import numpy as np

CONFIG = {
  "hidden_size": 64,
  "num_hidden_layers": 1,
  "num_attention_heads": 2,
  "intermediate_size": 12,
  "max_position_embeddings": 32,
  "type_vocab_size": 2,
}
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SENTENCES = (
  "駅前の店でラーメンを食べた。",
  "スープがぬるくて残念だった。",
  "店員さんの笑顔がとても良かった！",
  "BERTで2020年の記事を分類する。",
  "がっかりした。ﾊﾟﾝも固い。",
)
FULL_WIDTH_WORDS = [
  "店",
  "ラーメン",
  "を",
  "食べた",
  "スープ",
  "が",
  "ぬるくて",
  "ＢＥＲＴ",
  "で",
  "２",
  "０",
  "年",
  "。",
  "！",
]
WORDS = [
  "店",
  "ラーメン",
  "を",
  "食べ",
  "た",
  "スープ",
  "が",
  "ぬるく",
  "て",
  "BERT",
  "で",
  "2020",
  "年",
  "。",
  "!",
]
FULL_WIDTH_PARTS = (*FULL_WIDTH_WORDS, "食", "##べた", "ぬ", "##る", "##くて", "##た")
PARTS = (*WORDS, "残", "##念", "良", "##かっ", "##た", "A")

# A program that cuts before each change between kanji and kana, Juman++'s output form.
_FAKE_JUMANPP = """#!{python}
import re
import sys

for line in iter(sys.stdin.readline, ""):
  for word in re.findall(r"[\\u4e00-\\u9fff]+|[\\u3040-\\u30ff]+|\\S", line):
    print(word, word, word, "名詞 6 普通名詞 1 * 0 * 0 NIL")
  print("EOS", flush=True)
"""


def install_jumanpp(folder):
  """Writes a program `jumanpp` to a folder, for PATH."""
  path = os.path.join(folder, "jumanpp")
  with open(path, "w", encoding="utf-8") as writer:
    writer.write(_FAKE_JUMANPP.format(python=sys.executable))
  os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
  return folder


def write_sentence_pieces(root):
  """{front end: (vocabulary, model)} of the two that have a SentencePiece model."""
  wiki_ja, hotto_sns = os.path.join(root, "wiki"), os.path.join(root, "sns")
  os.makedirs(wiki_ja)
  os.makedirs(hotto_sns)
  _train_wiki_ja(wiki_ja)
  _train_hotto_sns(hotto_sns)
  return {
    "bert-japanese": (f"{wiki_ja}/wiki-ja.vocab", f"{wiki_ja}/wiki-ja.model"),
    "hottosns": (
      f"{hotto_sns}/tokenizer_spm_32K.vocab.to.bert",
      f"{hotto_sns}/tokenizer_spm_32K.model",
    ),
  }


def write_all(root):
  """{front end: [directories]} of the eight models."""
  directories = {}

  def directory(front_end, name):
    path = os.path.join(root, name)
    os.makedirs(path)
    directories.setdefault(front_end, []).append(path)
    return path

  nict = directory("nict-100k", "NICT_BERT-base_JapaneseWikipedia_100K")
  _hugging_face(nict, FULL_WIDTH_WORDS)
  nict = directory("nict-bpe", "NICT_BERT-base_JapaneseWikipedia_32K_BPE")
  _hugging_face(nict, FULL_WIDTH_PARTS)
  google = directory("multilingual-cased", "multi_cased_L-12_H-768_A-12")
  _google(google, PARTS)
  for name in ("Japanese_L-12_H-768_A-12_E-30_BPE_WWM_transformers", "kyoto-large-wwm"):
    _hugging_face(directory("kyoto", name), FULL_WIDTH_PARTS)
  tohoku = directory("tohoku", "BERT-base_mecab-ipadic-bpe-32k_whole-word-mask")
  _hugging_face(tohoku, PARTS)
  settings = {
    "do_lower_case": False,
    "word_tokenizer_type": "mecab",
    "subword_tokenizer_type": "wordpiece",
    "mecab_kwargs": {"mecab_dic": "ipadic"},
  }
  _write_json(tohoku, "tokenizer_config.json", settings)
  _wiki_ja(directory("bert-japanese", "bert-wiki-ja"))
  _hotto_sns(directory("hottosns", "hottoSNS-bert"))
  return directories


def _write_json(directory, name, value):
  with open(os.path.join(directory, name), "w", encoding="utf-8") as writer:
    json.dump(value, writer)


def _write_lines(directory, name, lines):
  with open(os.path.join(directory, name), "w", encoding="utf-8") as writer:
    writer.writelines(f"{line}\n" for line in lines)


def _arrays(vocab_size):
  from bert_ja import checkpoint, modeling

  config = modeling.BertConfig.from_dict({**CONFIG, "vocab_size": vocab_size})
  variables = checkpoint.named_variables(modeling.BertModel(config))
  return config, {name: variable.numpy() for name, variable in variables.items()}


def _hugging_face(directory, pieces):
  """config.json, vocab.txt and, where torch is installed, pytorch_model.bin."""
  from bert_ja import hugging_face

  _write_lines(directory, "vocab.txt", (*SPECIALS, *pieces))
  config, arrays = _arrays(len(SPECIALS) + len(pieces))
  hugging_face.save(directory, arrays, config.to_dict())
  try:
    import torch
  except ImportError:
    return  # The other weights stay: the same names in a form without torch.
  import safetensors.numpy

  weights = os.path.join(directory, "model.safetensors")
  tensors = safetensors.numpy.load_file(weights)
  tensors = {name: torch.from_numpy(np.array(t)) for name, t in tensors.items()}
  torch.save(tensors, os.path.join(directory, "pytorch_model.bin"))
  os.remove(weights)


def _google(directory, pieces):
  from bert_ja import checkpoint

  _write_lines(directory, "vocab.txt", (*SPECIALS, *pieces))
  config, arrays = _arrays(len(SPECIALS) + len(pieces))
  _write_json(directory, "bert_config.json", config.to_dict())
  checkpoint.save(os.path.join(directory, "bert_model.ckpt"), arrays)


def _train_sentence_piece(prefix, **options):
  import sentencepiece

  sentencepiece.SentencePieceTrainer.Train(
    sentence_iterator=iter([text.lower() for text in SENTENCES] * 4),
    model_prefix=prefix,
    vocab_size=90,
    hard_vocab_limit=False,
    minloglevel=2,
    **options,
  )


def _train_wiki_ja(directory):
  """Number of pieces (contract B-13)."""
  prefix = os.path.join(directory, "wiki-ja")
  _train_sentence_piece(prefix, control_symbols="[PAD],[CLS],[SEP],[MASK]")
  with open(f"{prefix}.vocab", encoding="utf-8") as reader:
    return sum(1 for _ in reader)


def _train_hotto_sns(directory):
  """Number of pieces; the vocabulary has one column."""
  prefix = os.path.join(directory, "tokenizer_spm_32K")
  specials = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1}
  _train_sentence_piece(prefix, control_symbols="[CLS],[SEP],[MASK]", **specials)
  with open(f"{prefix}.vocab", encoding="utf-8") as reader:
    pieces = [line.split("\t")[0] for line in reader]
  _write_lines(directory, "tokenizer_spm_32K.vocab.to.bert", pieces)
  return len(pieces)


def _wiki_ja(directory):
  """Kikuta's archive: no configuration (contract B-28)."""
  from bert_ja import checkpoint

  _, arrays = _arrays(_train_wiki_ja(directory))
  checkpoint.save(os.path.join(directory, "model.ckpt-1400000"), arrays)


def _hotto_sns(directory):
  """hottoSNS's archive."""
  from bert_ja import checkpoint

  config, arrays = _arrays(_train_hotto_sns(directory))
  _write_json(directory, "bert_config.json", config.to_dict())
  checkpoint.save(os.path.join(directory, "model.ckpt-1000000"), arrays)
