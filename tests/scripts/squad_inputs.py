"""A tiny corpus of questions on text without spaces, and a model to learn it."""

import json
import os
import random

_KEYS = "赤青白黒"
_OTHERS = "山川海空林森火水木金土石"


def questions(count, seed, with_impossible=False):
  """SQuAD's JSON: the answer are the two characters behind the question's."""
  draw = random.Random(seed)
  paragraphs = []
  for number in range(count):
    characters = draw.choices(_OTHERS, k=20)
    places = draw.sample(range(0, 18, 3), 2)
    keys = draw.sample(_KEYS, 3)
    for key, place in zip(keys, places, strict=False):
      characters[place] = key
    context = "".join(characters)
    qas = [_question(f"q{number}", keys[0], context, places[0])]
    if with_impossible:
      qas[0]["is_impossible"] = False
      qas.append(
        {"id": f"n{number}", "question": keys[2], "answers": [], "is_impossible": True}
      )
    paragraphs.append({"context": context, "qas": qas})
  return {"version": "made", "data": [{"title": "t", "paragraphs": paragraphs}]}


def _question(name, key, context, place):
  answer = {"text": context[place + 1 : place + 3], "answer_start": place + 1}
  return {"id": name, "question": key, "answers": [answer]}


def write(directory):
  """train.json, dev.json, dev_v2.json, vocab.txt, bert_config.json."""
  os.makedirs(directory, exist_ok=True)

  def dump(name, value):
    with open(f"{directory}/{name}", "w", encoding="utf-8") as writer:
      json.dump(value, writer, ensure_ascii=False)

  dump("train.json", questions(48, 1))
  dump("train_v2.json", questions(48, 1, True))
  dump("dev.json", questions(16, 2))
  dump("dev_v2.json", questions(16, 2, True))
  with open(f"{directory}/vocab.txt", "w", encoding="utf-8") as writer:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    writer.write("\n".join([*specials, *_KEYS, *_OTHERS]) + "\n")
  config = {
    "vocab_size": 21,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
  }
  dump("bert_config.json", config)


def arguments(inputs, output_dir, **flag_values):
  """Arguments of a run; `flag_values` replace and add."""
  values = {
    "vocab_file": f"{inputs}/vocab.txt",
    "bert_config_file": f"{inputs}/bert_config.json",
    "predict_file": f"{inputs}/dev.json",
    "output_dir": output_dir,
    "max_seq_length": 20,
    "doc_stride": 8,
    "max_query_length": 4,
    "train_batch_size": 16,
    "learning_rate": 2e-3,
    **flag_values,
  }
  return [f"--{name}={value}" for name, value in values.items() if value is not None]
