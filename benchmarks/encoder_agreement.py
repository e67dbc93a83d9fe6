"""How far `Encoder`'s vectors are from those of Hugging Face's implementation.

  python -m benchmarks.encoder_agreement --model_dir=MODEL --input_file=lines.txt

Both read the same directory of Hugging Face's layout, and each cuts the texts with its
own tokenizer; vectors are means over all pieces, of length 1.
"""

import numpy as np
from absl import flags

from bert_ja import text_io
from bert_ja.encoding import encoder
from bert_ja.flags import command_line

FLAGS = flags.FLAGS
_BATCH_SIZE = 32


def define_flags(flag_values=FLAGS):
  """Defines the flags."""
  flags.DEFINE_string("model_dir", None, "A model.", flag_values)
  flags.DEFINE_string("input_file", None, "Lines.", flag_values)
  flags.DEFINE_integer("lines", 1000, "Lines at most.", 1, None, flag_values)
  flags.DEFINE_integer("max_seq_length", 128, "In pieces.", 3, None, flag_values)


def expected_vectors(model_dir, texts, max_seq_length):
  """Hugging Face's: float32 [texts, H]."""
  import torch
  import transformers

  cutter = transformers.AutoTokenizer.from_pretrained(model_dir)
  model = transformers.AutoModel.from_pretrained(model_dir).eval()
  found = []
  for start in range(0, len(texts), _BATCH_SIZE):
    batch = cutter(
      texts[start : start + _BATCH_SIZE],
      max_length=max_seq_length,
      truncation=True,
      padding=True,
      return_tensors="pt",
    )
    with torch.no_grad():
      pieces = model(**batch).last_hidden_state  # [B, S, H]
    mask = batch["attention_mask"][:, :, None]
    means = (pieces * mask).sum(dim=1) / mask.sum(dim=1)
    found.append(torch.nn.functional.normalize(means).numpy())
  return np.concatenate(found)


def main(_):
  """Compares and prints."""
  command_line.require(FLAGS, "model_dir", "input_file")
  texts = text_io.read_text(FLAGS.input_file).splitlines()[: FLAGS.lines]
  theirs = expected_vectors(FLAGS.model_dir, texts, FLAGS.max_seq_length)
  ours = encoder.Encoder(
    FLAGS.model_dir, normalize=True, max_seq_length=FLAGS.max_seq_length
  ).encode(texts)
  print(f"{len(texts)} texts, {ours.shape[1]} numbers each")
  print(f"largest difference of a number: {np.abs(ours - theirs).max():.1e}")


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
