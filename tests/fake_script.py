"""A script that trains nothing: it writes the scores that a test has chosen."""

import json
import os

_SCRIPT = """
import json, os, sys, time

def define_flags(flag_values):
  from absl import flags
  names = "train_file predict_file output_dir cache_dir model_dir tokenizer"
  for name in names.split():
    flags.DEFINE_string(name, None, "", flag_values)
  for name in ("do_train", "do_eval"):
    flags.DEFINE_bool(name, False, "", flag_values)
  flags.DEFINE_integer("x", 1, "", flag_values=flag_values)
  flags.DEFINE_integer("seed", 1, "", flag_values=flag_values)

def main():
  folder = os.path.dirname(os.path.abspath(__file__))
  values = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
  output_dir = values["output_dir"]
  name = output_dir.partition("/runs/")[2]
  with open(folder + "/starts.txt", "a") as writer:
    writer.write(name + "\\n")
  with open(folder + "/scores.json") as reader:
    scores = json.load(reader).get(name, {})
  if isinstance(scores, str):
    sys.exit(scores)
  end = time.monotonic() + 60
  while (scores or {}).get("wait") and not os.path.exists(folder + "/go"):
    if time.monotonic() > end:
      sys.exit("nobody came")
    time.sleep(0.02)
  if values.get("do_predict"):
    open(output_dir + "/predictions.tsv", "w").close()
    output_dir += "/test"
    os.makedirs(output_dir, exist_ok=True)
  if scores is not None:
    with open(output_dir + "/metrics.json", "w") as writer:
      json.dump(scores, writer)

if __name__ == "__main__":
  main()
""".replace("\\\\n", "\\n")


class FakeScript:
  """The script, the scores of its runs, and which of them were started."""

  def __init__(self, directory):
    self.directory = directory
    self.path = str(directory / "fake.py")
    (directory / "fake.py").write_text(_SCRIPT)
    self.score({})

  def score(self, scores):
    """Sets what runs write: {MODEL/VALUES: metrics, or a text to fail with}."""
    (self.directory / "scores.json").write_text(json.dumps(scores))

  def starts(self):
    """Names of the runs, in the order of their starts."""
    path = self.directory / "starts.txt"
    return path.read_text().split() if os.path.exists(path) else []
