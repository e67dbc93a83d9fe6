"""Both stages with programs that train nothing: what is asked, joined and scored."""

import json
import os
import sys

import pytest

from bert_ja import reading, run_queue
from bert_ja.data.span_features import Answer
from bert_ja.tasks.reading_data import Question, ReadingSet

# Chooses the paragraph that begins with the question's first character, and answers
# with a paragraph's second and third.
_SCRIPT = """
import json, os, sys
values = dict(a[2:].partition("=")[::2] for a in sys.argv[1:] if a.startswith("--"))
out = values["output_dir"]
with open(os.path.join(os.path.dirname(__file__), "starts.txt"), "a") as writer:
  writer.write(" ".join(sys.argv[1:]) + "\\n")
def put(name, text):
  with open(os.path.join(out, name), "w") as writer:
    writer.write(text)
if "task_name" in values:
  size = int(values["num_choices"])
  lines = ["\\t".join(["id", *(f"score_{n}" for n in range(size))])]
  with open(values["data_dir"] + "/" + values["test_file"]) as reader:
    for row in map(json.loads, reader):
      scores = [str(int(c[0] == row["question"][0])) for c in row["choices"]]
      scores += [""] * (size - len(scores))
      lines.append("\\t".join([row["id"], *scores]))
  put("predictions.tsv", "\\n".join(lines) + "\\n")
else:
  put("task.json", "{}")
  if "predict_file" in values:
    with open(values["predict_file"]) as reader:
      paragraphs = json.load(reader)["data"][0]["paragraphs"]
    answers = {q["id"]: p["context"][1:3] for p in paragraphs for q in p["qas"]}
    put("predictions.json", json.dumps(answers))
    put("metrics.json", "{}")
"""
POOL = ["山は高い。", "海は深い。", "空が青い。", "雪も白い。", "花の赤。"]


def question(name, text, relevant, answer, paragraphs=range(5)):
  answers = (Answer(answer, 1),) if answer else ()
  return Question(name, text, paragraphs, relevant, answers, name)


# The first is answered rightly, the second in a wrong paragraph, the third in the right
# one but not rightly.
ANSWERED = ReadingSet(
  POOL,
  [
    question("a", "花とは", 4, "の赤"),
    question("b", "山とは", 1, "は深"),
    question("c", "空とは", 2, "青い", [3, 2]),
  ],
)
UNANSWERED = ReadingSet(
  POOL, [question("a", "花とは", None, None), question("b", "山とは", None, None)]
)


class Bench:
  def __init__(self, directory):
    self.directory = directory
    (directory / "fake.py").write_text(_SCRIPT)
    self.output_dir = directory / "out"

  def run(self, train=ANSWERED, predict=ANSWERED, trained_dir=None, use_best=False):
    program = (sys.executable, str(self.directory / "fake.py"))
    stages = {
      "select": reading.Stage(program, ("--learning_rate=1",)),
      "span": reading.Stage(program, ("--learning_rate=2", "--eval_steps=5"), use_best),
    }
    pipeline = reading.Pipeline(
      train, predict, stages, str(self.output_dir), reading.Options(3), trained_dir
    )
    return pipeline.run(run_queue.Options())

  def starts(self):
    """Arguments of the programs that were started, as sets."""
    path = self.directory / "starts.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line.split() for line in lines]

  def read(self, name):
    return json.loads((self.output_dir / name).read_text("utf-8"))


@pytest.fixture
def bench(tmp_path):
  return Bench(tmp_path)


class TestRun:
  def test_the_answers_are_those_of_the_chosen_paragraphs(self, bench):
    bench.run()
    assert bench.read("predictions.json") == {"a": "の赤", "b": "は高", "c": "が青"}

  def test_each_stage_and_the_whole_are_scored(self, bench):
    results = bench.run()
    assert results == bench.read("results.json")
    assert results["count"] == 3
    assert results["mean_candidates"] == pytest.approx((5 + 5 + 2) / 3)
    assert results["paragraph_accuracy"] == pytest.approx(100 * 2 / 3)
    assert results["right_paragraph"]["exact_match"] == pytest.approx(100 * 2 / 3)
    assert results["exact_match"] == pytest.approx(100 / 3)
    # は高 shares half of its characters with は深, and が青 with 青い.
    assert results["character_f1"] == pytest.approx(100 * (1 + 0.5 + 0.5) / 3)

  def test_a_table_has_a_row_a_stage(self, bench):
    lines = reading.format_results(bench.run()).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["66.67", "83.33", "66.67"]

  def test_models_are_trained_and_then_answer(self, bench):
    bench.run()
    select, span, answers = bench.starts()
    assert {"--do_train", "--do_eval", "--do_predict", "--num_choices=3"} <= {*select}
    assert {"--learning_rate=1", "--test_file=select_test.jsonl"} <= {*select}
    assert {"--do_train", "--do_eval", "--learning_rate=2", "--eval_steps=5"} <= {*span}
    assert "--do_train" not in answers
    model = f"--model_dir={bench.output_dir}/span"
    assert {model, "--do_predict"} <= {*answers}
    # Flags of training are taken back behind where they are given.
    assert answers.index("--eval_steps=0") > answers.index("--eval_steps=5")

  def test_training_rows_are_samples_of_answered_questions(self, bench):
    bench.run()
    (directory,) = (bench.output_dir / "data").iterdir()
    lines = (directory / "select_train.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [len(row["choices"]) for row in rows] == [3, 3, 2]
    assert [row["choices"][row["label"]] for row in rows] == [
      POOL[n] for n in (4, 1, 2)
    ]

  def test_questions_without_answers_are_answered_and_not_scored(self, bench):
    results = bench.run(predict=UNANSWERED)
    assert results == {"count": 2, "mean_candidates": 5.0}
    assert bench.read("predictions.json") == {"a": "の赤", "b": "は高"}
    select, span, _ = bench.starts()
    assert "--do_eval" not in select + span
    assert not any(argument.startswith("--predict_file") for argument in span)

  @pytest.mark.parametrize("use_best", [False, True])
  def test_trained_models_answer_other_questions(self, bench, use_best):
    bench.run()
    bench.starts()
    trained, bench.output_dir = bench.output_dir, bench.directory / "other"
    bench.run(None, ANSWERED, trained_dir=str(trained), use_best=use_best)
    runs = bench.starts()
    assert not any("--do_train" in run for run in runs)
    span = "span/best" if use_best else "span"
    models = [f"--model_dir={trained}/{name}" for name in ("select", span, span)]
    assert [model in run for model, run in zip(models, runs, strict=True)] == [True] * 3
    assert bench.read("results.json")["exact_match"] == pytest.approx(100 / 3)

  @pytest.mark.parametrize("name", ["out", "./x/../out", "link"])
  def test_models_are_not_set_aside_for_their_own_answers(self, bench, name):
    bench.run()
    bench.starts()
    (bench.directory / "link").symlink_to(bench.output_dir)
    trained_dir = f"{bench.directory}/{name}"
    with pytest.raises(ValueError, match="is --output_dir too, .* of their own"):
      bench.run(None, trained_dir=trained_dir)
    assert bench.starts() == []

  def test_models_may_be_on_another_machine(self, bench):
    bench.run(None, UNANSWERED, trained_dir="ram://bucket/reading")
    models = [a for run in bench.starts() for a in run if a.startswith("--model_dir=")]
    assert models == [
      f"--model_dir=ram://bucket/reading/{n}" for n in ("select", "span")
    ]

  def test_models_that_were_trained_again_answer_again(self, bench):
    bench.run()
    trained, bench.output_dir = bench.output_dir, bench.directory / "other"
    index = trained / "span" / "model.ckpt-5.index"
    found = []
    for content in ("one", "one", "two"):
      bench.starts()
      index.write_text(content)
      bench.run(None, trained_dir=str(trained))
      found.append(len(bench.starts()))
    assert found == [3, 0, 3]

  def test_a_second_start_repeats_nothing(self, bench):
    first = bench.run()
    assert len(bench.starts()) == 3
    assert bench.run() == first
    assert bench.starts() == []

  def test_other_data_start_afresh_and_keep_the_old(self, bench):
    bench.run()
    bench.starts()
    bench.run(train=ReadingSet(POOL, ANSWERED.questions[:2]))
    assert len(bench.starts()) == 3
    assert os.path.exists(bench.output_dir / "span.old-1" / "answers")

  def test_a_failed_run_is_named_and_nothing_is_written(self, bench):
    (bench.directory / "fake.py").write_text("import sys; sys.exit('no memory')")
    with pytest.raises(ValueError, match=r"select: status 1 \(no memory\)"):
      bench.run()
    assert not (bench.output_dir / "results.json").exists()


class TestCheckAnswered:
  def test_training_leaves_questions_without_an_answer_out(self):
    some = ReadingSet(POOL, [*ANSWERED.questions, question("d", "雪", 3, None)])
    found = reading.check_answered(some, "x.json", True)
    assert [q.qas_id for q in found.questions] == ["a", "b", "c"]

  def test_training_needs_one(self):
    with pytest.raises(ValueError, match="x.json: none of 2 questions has a relevant"):
      reading.check_answered(UNANSWERED, "x.json", True)

  def test_all_or_none_are_answered_to_predict(self):
    assert reading.check_answered(UNANSWERED, "x.json", False) is UNANSWERED
    some = ReadingSet(POOL, [*ANSWERED.questions, question("d", "雪", 3, None)])
    with pytest.raises(ValueError, match="^d: no answer is known, of other questions"):
      reading.check_answered(some, "x.json", False)
