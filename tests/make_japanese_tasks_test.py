"""The reviews that benchmarks train and score on."""

from benchmarks import make_japanese_tasks


def rows(path):
  return path.read_text().splitlines()[1:]


def test_parts_of_the_train_set_lie_in_each_other(tmp_path):
  lines = [
    f"{number}\t{(1, 0, -1)[number % 3]}\treview {number}\t\t{name}"
    for name, count in (("train", 1800), ("dev", 6), ("test", 6))
    for number in range(count)
  ]
  (tmp_path / "pn.tsv").write_text("\n".join(lines) + "\n")
  out = tmp_path / "out"
  make_japanese_tasks.make_reviews(str(tmp_path), str(out))
  small, large, whole = (
    rows(out / f"{name}.tsv") for name in ("train_500", "train_1000", "train")
  )
  assert (len(small), len(large), len(whole)) == (500, 1000, 1200)
  assert set(small) < set(large) < set(whole)
  assert len(rows(out / "dev.tsv")) == 4
