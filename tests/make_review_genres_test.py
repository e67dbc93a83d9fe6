"""Made genres: which a sentence belongs to, and the files."""

import pytest

from benchmarks import make_review_genres
from bert_ja import table_files


class TestGenreOf:
  @pytest.mark.parametrize(
    ("text", "genre"),
    [
      ("部屋が広いです。", "room"),
      ("夕食がおいしい。", "food"),
      ("大浴場と部屋がきれい。", "bath"),
      ("部屋と大浴場がきれい。", "room"),
      ("フロントの方が親切。", "staff"),
      ("駅から近くて便利。", "place"),
      ("また来ます。", None),
    ],
  )
  def test_the_first_word_decides(self, text, genre):
    assert make_review_genres.genre_of(text) == genre


class TestMain:
  def test_each_genre_has_its_rows_of_each_split(self, tmp_path, parse_flags, capsys):
    for split, rows in (
      ("train", "部屋が広い\t1\n夕食が冷たい\t-1\nまた来ます\t1\n部屋が寒い\t-1\n"),
      ("dev", "駅から遠い\t-1\n"),
      ("test", "お湯がよい\t1\n"),
    ):
      (tmp_path / f"{split}.tsv").write_text(f"text\tlabel\n{rows}", encoding="utf-8")
    directories = f"--reviews_dir={tmp_path}", f"--output_dir={tmp_path}/out"
    parse_flags(make_review_genres, *directories)
    make_review_genres.main([])
    _, rows = table_files.read_table(str(tmp_path / "out" / "room" / "train.tsv"))
    assert [tuple(row.values()) for _, row in rows] == [
      ("部屋が広い", "1"),
      ("部屋が寒い", "-1"),
    ]
    assert f"{tmp_path}/out/place/dev.tsv: 1 reviews" in capsys.readouterr().out
    _, rows = table_files.read_table(str(tmp_path / "out" / "food" / "test.tsv"))
    assert rows == []
