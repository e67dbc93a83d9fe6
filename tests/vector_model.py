"""A tiny model with a vocabulary of w0 to w39, in a directory."""

import json
import random

import numpy as np

from bert_ja import checkpoint, modeling
from tests import published_models

WORDS = [f"w{index}" for index in range(40)]
CONFIG = {
  "vocab_size": 45,
  "hidden_size": 6,
  "num_hidden_layers": 3,
  "num_attention_heads": 2,
  "intermediate_size": 9,
  "max_position_embeddings": 40,
  "type_vocab_size": 2,
}


def write(directory, pooler=True, **changes):
  """Configuration, vocabulary, settings and weights, large enough to tell texts apart."""
  (directory / "vocab.txt").write_text(
    "\n".join([*published_models.SPECIALS, *WORDS]) + "\n"
  )
  config = {**CONFIG, **changes}
  (directory / "bert_config.json").write_text(json.dumps(config))
  settings = {"tokenizer": "pretokenized"}
  (directory / "tokenizer_config.json").write_text(json.dumps(settings))
  model = modeling.BertModel(modeling.BertConfig.from_dict(config))
  draw = np.random.default_rng(5)
  arrays = {
    name: variable.numpy() + draw.normal(0, 0.3, variable.shape).astype(np.float32)
    for name, variable in checkpoint.named_variables(model).items()
    if pooler or "pooler" not in name
  }
  checkpoint.save(str(directory / "model.ckpt-1"), arrays)
  return directory


def texts(count, longest=30, seed=3):
  """Texts of different lengths; some are empty, some pairs."""
  draw = random.Random(seed)
  found = []
  for number in range(count):
    words = draw.choices(WORDS, k=draw.randrange(longest))
    text = " ".join(words)
    found.append((text, " ".join(words[:4])) if number % 7 == 3 and words else text)
  return found
