"""Show pieces, ids and character spans of lines of text."""

import json
import sys
from collections.abc import Iterable

from absl import flags

from bert_ja.flags import command_line, model_flags, tokenizer_flags

FLAGS = flags.FLAGS


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  model_flags.define(flag_values, only=("model_dir",))
  tokenizer_flags.define(flag_values)
  flags.DEFINE_string(
    "input_file",
    None,
    "UTF-8 text, a line each; standard input by default.",
    flag_values,
  )
  flags.DEFINE_enum(
    "format",
    "table",
    ["table", "jsonl", "summary"],
    "A table a line, a JSON object a line, or counts over all lines: how many pieces, "
    "and how many of them are unknown.",
    flag_values,
  )


def main(_) -> None:
  """Prints the pieces of each line."""
  files = model_flags.find(FLAGS, weights=False)
  tokenizer = tokenizer_flags.create_tokenizer(files, FLAGS)
  if FLAGS.format == "summary":
    print(describe_all(tokenizer, _lines()), end="")
    return
  describe = describe_json if FLAGS.format == "jsonl" else describe_table
  for line in _lines():
    print(describe(tokenizer, line), flush=True)


def _lines():
  from bert_ja import text_io

  if FLAGS.input_file:
    yield from text_io.stream_lines(FLAGS.input_file)
    return
  yield from text_io.decoded_lines(sys.stdin.buffer, "standard input")


def describe_json(tokenizer, text: str) -> str:
  """A JSON object: text, tokens, ids, spans."""
  tokens, spans = tokenizer.tokenize_with_offsets(text)
  ids = tokenizer.encode(text)
  value = {"text": text, "tokens": tokens, "ids": ids, "spans": spans}
  return json.dumps(value, ensure_ascii=False)


def describe_table(tokenizer, text: str) -> str:
  """The text, and a table of piece, id, span and what stands there in the text."""
  from bert_ja import reporting

  tokens, spans = tokenizer.tokenize_with_offsets(text)
  ids = tokenizer.encode(text)
  # White space and control characters would break the table.
  rows = [
    (token, index, f"{start}-{end}", json.dumps(text[start:end], ensure_ascii=False))
    for token, index, (start, end) in zip(tokens, ids, spans, strict=True)
  ]
  table = reporting.format_table(rows, ("piece", "id", "span", "text"))
  return f"{text}\n{table}"


def describe_all(tokenizer, texts: Iterable[str]) -> str:
  """A table of counts over all texts."""
  from bert_ja import reporting, tokenization

  counts = tokenization.count_pieces(tokenizer, texts)
  share = f"{100 * counts['unknown'] / max(counts['pieces'], 1):.3f}"
  mean = f"{counts['pieces'] / max(counts['lines'], 1):.1f}"
  lines, characters, pieces, unknown = counts.values()
  row = (lines, characters, pieces, mean, unknown, share)
  headers = ("lines", "characters", "pieces", "pieces/line", "unknown", "unknown %")
  return reporting.format_table([row], headers)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)
