"""Speed of the tokenizer against the same rules one character at a time.

  python -m benchmarks.tokenizer_benchmark
  python -m benchmarks.tokenizer_benchmark --input_file=text.txt \
    --vocab_file=vocab.txt --nodo_lower_case --output_file=speed.json

One thread. "first pass" starts with empty caches, as a program that tokenizes a corpus
once; "later pass" is the fastest of a few more over the same lines.
"""

import collections
import os
import random
import tempfile
import time

from absl import flags

from benchmarks import plain_tokenizer
from bert_ja import reporting, text_io, tokenization
from bert_ja.flags import command_line

FLAGS = flags.FLAGS


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string(
    "input_file", None, "Text, one line each; a generated one by default.", flag_values
  )
  flags.DEFINE_string(
    "vocab_file", None, "Word pieces; made from the text by default.", flag_values
  )
  flags.DEFINE_bool("do_lower_case", True, "As for the scripts.", flag_values)
  flags.DEFINE_bool("strip_accents", None, "As do_lower_case by default.", flag_values)
  flags.DEFINE_integer("max_lines", 20_000, "Lines to read.", 1, None, flag_values)
  flags.DEFINE_integer("passes", 3, "Later passes.", 1, None, flag_values)
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def generated_lines(count=4000, seed=1):
  """Lines of invented words, frequent ones first: half Latin, half Japanese script."""
  generator = random.Random(seed)

  def words(letters, lengths):
    return [
      "".join(generator.choices(letters, k=generator.choice(lengths)))
      for _ in range(8000)
    ]

  latin = words("abcdefghijklmnopqrstuvwxyz", range(2, 11))
  kana = words([chr(c) for c in range(0x3042, 0x3094)], range(1, 6))
  kanji = words([chr(c) for c in range(0x4E00, 0x5200)], range(1, 4))
  weights = [1 / (rank + 10) for rank in range(8000)]
  lines = []
  for _ in range(count // 2):
    chosen = generator.choices(latin, weights, k=24)
    lines.append(
      " ".join(chosen[:12]).capitalize() + ", " + " ".join(chosen[12:]) + "."
    )
    chosen = zip(
      generator.choices(kanji, weights, k=12),
      generator.choices(kana, weights, k=12),
      strict=True,
    )
    lines.append("".join(map("".join, chosen)) + "。")
  return lines


def derived_vocabulary(lines, switches, size=16_000):
  """The most frequent words, and every character alone and as a continuation."""
  basic = tokenization.BasicTokenizer(**switches)
  counts = collections.Counter(word for line in lines for word in basic.tokenize(line))
  characters = sorted(set("".join(counts)))
  tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
  tokens += [f"##{character}" for character in characters]
  return list(dict.fromkeys([*tokens, *(word for word, _ in counts.most_common(size))]))


def seconds(function, lines):
  """Time of one pass that keeps no results."""
  started = time.perf_counter()
  for line in lines:
    function(line)
  return time.perf_counter() - started


def measure(lines, vocab_file, switches, passes):
  """Times of all ways.

  Returns:
    One {"tokenizer", "lines_per_second", "tokens_per_second", "times_plain"} for each.

  Raises:
    ValueError: the ways disagree on a line.
  """

  def fresh():
    return tokenization.FullTokenizer(vocab_file, **switches)

  tokenizer = fresh()

  def plain(line):
    return plain_tokenizer.tokenize(
      line,
      tokenizer.vocab,
      do_lower_case=switches["do_lower_case"],
      accents=switches["strip_accents"],
    )

  # As the fast ways: the first pass counts everything that is made on first use.
  ways = {
    "plain": seconds(plain, lines),
    "fast, first pass": seconds(tokenizer.tokenize, lines),
    "fast, later pass": min(seconds(tokenizer.tokenize, lines) for _ in range(passes)),
  }
  tokenizer = fresh()
  ways["offsets, first pass"] = seconds(tokenizer.tokenize_with_offsets, lines)
  ways["offsets, later pass"] = min(
    seconds(tokenizer.tokenize_with_offsets, lines) for _ in range(passes)
  )
  tokens = 0
  for number, line in enumerate(lines, 1):
    expected = plain(line)
    tokens += len(expected)
    if (
      not tokenizer.tokenize(line)
      == tokenizer.tokenize_with_offsets(line)[0]
      == expected
    ):
      raise ValueError(f"line {number}: the fast tokenizer differs from the plain one")
  return [
    {
      "tokenizer": name,
      "lines_per_second": len(lines) / time_spent,
      "tokens_per_second": tokens / time_spent,
      "times_plain": ways["plain"] / time_spent,
    }
    for name, time_spent in ways.items()
  ]


def main(_):
  """Measures and prints."""
  lines = generated_lines()
  if FLAGS.input_file:
    lines = [line for line in text_io.read_lines(FLAGS.input_file) if line.strip()]
  lines = lines[: FLAGS.max_lines]
  if not lines:
    raise ValueError(f"--input_file={FLAGS.input_file} holds no text; expected lines")
  switches = {
    "do_lower_case": FLAGS.do_lower_case,
    "strip_accents": FLAGS.strip_accents,
  }
  with tempfile.TemporaryDirectory() as folder:
    vocab_file = FLAGS.vocab_file
    if vocab_file is None:
      vocab_file = os.path.join(folder, "vocab.txt")
      text_io.write_text(vocab_file, "\n".join(derived_vocabulary(lines, switches)))
    rows = measure(lines, vocab_file, switches, FLAGS.passes)
  print(
    reporting.format_table(
      [list(row.values()) for row in rows], list(rows[0]), digits=1
    )
  )
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, rows)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
