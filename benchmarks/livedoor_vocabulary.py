"""Trains the word-piece vocabulary of the livedoor result in docs/results.md.

  pip install tokenizers
  python -m benchmarks.livedoor_vocabulary LIVEDOOR_DIR

Reads `train.tsv` in that directory and writes `vocab.txt` beside it.
"""

import sys

from bert_ja.tasks import livedoor


def main(directory):
  """Writes 16,000 pieces of the training articles' text."""
  from tokenizers import BertWordPieceTokenizer

  examples = livedoor.LivedoorProcessor().get_train_examples(directory)
  trainer = BertWordPieceTokenizer(lowercase=True, strip_accents=False)
  trainer.train_from_iterator(
    (example.text_a for example in examples), vocab_size=16000, limit_alphabet=6000
  )
  trainer.save_model(directory)


if __name__ == "__main__":
  main(sys.argv[1])
