"""A user's table: columns, labels, files, and messages that name the place."""

import json
import os

import pytest

from bert_ja.data import length_limit
from bert_ja.tasks import multi_label, multiple_choice, registry, table


@pytest.fixture
def put(tmp_path):
  """Writes {name: text} into the data directory and gives its path."""

  def put(**files):
    for name, text in files.items():
      stem, ending = name.rsplit("_", 1)
      (tmp_path / f"{stem}.{ending}").write_text(text, encoding="utf-8")
    return str(tmp_path)

  return put


def lines(*objects):
  return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in objects)


def seen(examples):
  return [(e.guid, e.text_a, e.text_b, e.label) for e in examples]


class TestColumns:
  def test_text_and_label_are_the_default(self, put):
    folder = put(train_csv='\ufefflabel,text\nbad,"x, ""y"""\ngood,z\n')
    found = table.TableProcessor().get_train_examples(folder)
    assert seen(found) == [
      ("train-1", 'x, "y"', None, "bad"),
      ("train-2", "z", None, "good"),
    ]
    assert found[1].source == f"{folder}/train.csv, line 3"

  @pytest.mark.parametrize("names", [("text_a", "text_b"), ("sentence1", "sentence2")])
  def test_pairs_are_found_by_their_usual_names(self, put, names):
    folder = put(train_tsv="\t".join(["label", *names]) + "\n1\tx\ty\n")
    found = table.TableProcessor().get_train_examples(folder)
    assert seen(found) == [("train-1", "x", "y", "1")]

  def test_columns_can_be_chosen(self, put):
    folder = put(train_tsv="n\tclass\tq\ta\n7\tA\tx\ty\n")
    processor = table.TableProcessor(
      text_columns=["q", "a"], label_column="class", id_column="n"
    )
    assert seen(processor.get_train_examples(folder)) == [("7", "x", "y", "A")]

  def test_columns_can_be_text_with_a_comma(self, put):
    folder = put(train_tsv="label\tq\ta\n1\tx\ty\n")
    processor = table.TableProcessor(text_columns="q, a")
    assert seen(processor.get_train_examples(folder)) == [("train-1", "x", "y", "1")]

  def test_a_subclass_sets_options_as_attributes(self, put):
    class NucleiProcessor(table.TableProcessor):
      text_columns, label_column, labels = ("words",), "kind", ("no", "yes")

    folder = put(train_tsv="kind\twords\nyes\tx\n")
    processor = NucleiProcessor()
    assert processor.get_labels() == ["no", "yes"]
    assert seen(processor.get_train_examples(folder)) == [("train-1", "x", None, "yes")]

  def test_json_numbers_are_texts_and_labels(self, put):
    rows = lines({"text": 5, "label": 1}, {"text": "x", "label": 0})
    found = table.TableProcessor().get_train_examples(put(train_jsonl=rows))
    assert seen(found) == [("train-1", "5", None, "1"), ("train-2", "x", None, "0")]

  def test_json_truth_values_are_labels(self, put):
    rows = lines({"text": "x", "label": True}, {"text": "y", "label": False})
    found = table.TableProcessor().get_train_examples(put(train_jsonl=rows))
    assert [example.label for example in found] == ["true", "false"]

  def test_a_pair_may_lack_its_second_text(self, put):
    rows = lines(
      {"text_a": "x", "text_b": "y", "label": 0},
      {"text_a": "x", "text_b": None, "label": 0},
    )
    found = table.TableProcessor().get_train_examples(put(train_jsonl=rows))
    assert [example.text_b for example in found] == ["y", None]

  def test_a_missing_column_is_told_with_a_near_one_and_the_list(self, put):
    folder = put(train_csv="text,labels\nx,1\n")
    message = (
      r"train.csv: there is no column 'label'; did you mean 'labels'\? "
      r"\(it has: text, labels; choose with --label_column\)"
    )
    with pytest.raises(ValueError, match=message):
      table.TableProcessor().get_train_examples(folder)

  @pytest.mark.parametrize("option", ["text_columns", "id_column"])
  def test_a_missing_chosen_column_is_told_with_its_flag(self, put, option):
    folder = put(train_csv="text,label\nx,1\n")
    message = rf"no column 'zzz' \(it has: text, label; choose with --{option}\)"
    with pytest.raises(ValueError, match=message):
      table.TableProcessor(**{option: "zzz"}).get_train_examples(folder)

  def test_columns_without_a_usual_name_are_told(self, put):
    folder = put(train_csv="body,label\nx,1\n")
    message = (
      "train.csv: which columns hold the texts[?] Expected text; text_a and text_b; "
      "sentence1 and sentence2; sentence; or name .* --text_columns "
      "[(]it has: body, label[)]"
    )
    with pytest.raises(ValueError, match=message):
      table.TableProcessor().get_train_examples(folder)

  def test_three_text_columns_are_too_many(self):
    with pytest.raises(ValueError, match="--text_columns=a,b,c: expected one or two"):
      table.TableProcessor(text_columns=["a", "b", "c"])

  @pytest.mark.parametrize(
    ("value", "found"), [(None, "nothing"), (["x"], r'\["x"\]'), (True, "true")]
  )
  def test_a_value_that_is_no_text_is_named(self, put, value, found):
    folder = put(test_jsonl=lines({"text": "x"}, {"text": value}))
    message = f"test.jsonl, line 2, column 'text': expected a text, found {found}"
    with pytest.raises(ValueError, match=message):
      table.TableProcessor().get_test_examples(folder)

  def test_a_file_without_rows_is_told(self, put):
    with pytest.raises(ValueError, match="train.csv has no rows"):
      table.TableProcessor().get_train_examples(put(train_csv="text,label\n"))


class TestLabels:
  def labels(self, put, *values):
    rows = lines(*({"text": "x", "label": value} for value in values))
    processor = table.TableProcessor()
    processor.get_train_examples(put(train_jsonl=rows))
    return processor.get_labels()

  def test_whole_numbers_are_in_order_of_numbers(self, put):
    assert self.labels(put, 10, "9", 10, -1, 0) == ["-1", "0", "9", "10"]

  def test_others_are_in_order_of_texts(self, put):
    assert self.labels(put, "10", "9", "い", "あ") == ["10", "9", "あ", "い"]

  def test_space_around_a_label_does_not_count(self, put):
    assert self.labels(put, " a", "a ") == ["a"]

  def test_they_are_known_before_the_training_set_is_read(self, put):
    folder = put(train_csv="text,label\nx,b\ny,a\n")
    assert table.TableProcessor(data_dir=folder).get_labels() == ["a", "b"]

  def test_the_evaluation_set_is_checked_against_the_training_set(self, put):
    folder = put(train_csv="text,label\nx,b\ny,a\n", dev_csv="text,label\nx,c\n")
    message = r"dev.csv, line 2, column 'label': label 'c' is not one of 'a', 'b'"
    with pytest.raises(ValueError, match=message):
      table.TableProcessor().get_dev_examples(folder)

  def test_given_labels_keep_their_order(self, put):
    folder = put(train_csv="text,label\nx,b\ny,a\n")
    processor = table.TableProcessor(labels=["b", "a", "c"])
    processor.get_train_examples(folder)
    assert processor.get_labels() == ["b", "a", "c"]

  def test_a_label_outside_the_given_ones_is_named(self, put):
    folder = put(train_csv="text,label\nx,b\ny,a\n")
    message = r"train.csv, line 3, column 'label': label 'a' is not one of 'b'"
    with pytest.raises(ValueError, match=message):
      table.TableProcessor(labels=["b"]).get_train_examples(folder)

  def test_a_file_of_labels_has_one_a_line(self, put):
    folder = put(names_txt="\ufeffb\n a\n\n")
    processor = table.TableProcessor(labels_file=f"{folder}/names.txt")
    assert processor.get_labels() == ["b", "a"]

  def test_given_labels_come_before_the_file(self):
    processor = table.TableProcessor(labels="no,yes", labels_file="none.txt")
    assert processor.get_labels() == ["no", "yes"]

  def test_an_empty_file_of_labels_is_told(self, put):
    folder = put(names_txt="\n")
    with pytest.raises(ValueError, match="names.txt is empty; expected one label a"):
      table.TableProcessor(labels_file=f"{folder}/names.txt")

  def test_a_repeated_label_is_told(self, put):
    with pytest.raises(ValueError, match="--labels: label 'a' is there twice"):
      table.TableProcessor(labels=["a", "b", "a"])
    folder = put(names_txt="a\na\n")
    with pytest.raises(ValueError, match="--labels_file=.*names.txt: label 'a' is"):
      table.TableProcessor(labels_file=f"{folder}/names.txt")

  def test_no_way_to_know_them_is_told(self):
    message = "labels are not known: read the training set first, or .* --labels_file"
    with pytest.raises(ValueError, match=message):
      table.TableProcessor().get_labels()

  def test_a_missing_training_set_is_told_with_the_other_way(self, put):
    folder = put(dev_csv="text,label\nx,a\n")
    message = (
      "has no train set: expected one of train.csv, .*; labels are taken from it, or "
      "give the labels with --labels_file, one a line, or as --model_dir a model that "
      "was trained"
    )
    with pytest.raises(FileNotFoundError, match=message):
      table.TableProcessor().get_dev_examples(folder)

  def test_a_missing_file_of_texts_is_not_taken_for_the_labels(self, put):
    folder = put(train_csv="text,label\n1,a\n")
    processor = table.TableProcessor(texts_file="t.json", data_dir=folder)
    with pytest.raises(FileNotFoundError, match="texts_file=t.json: ") as raised:
      processor.get_labels()
    assert "labels" not in str(raised.value)

  @pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "does not exist"), ("dev.csv", "is a file")]
  )
  def test_a_data_dir_that_is_none_is_told(self, put, name, message):
    path = os.path.join(put(dev_csv="text,label\nx,a\n"), name)
    with pytest.raises(OSError, match=f"--data_dir=.*{name} {message}; give the dir"):
      table.TableProcessor().get_dev_examples(path)

  def test_rows_without_a_text_are_told_once(self, put, caplog):
    folder = put(train_csv="text,label\n海,a\n ,a\n,b\n")
    assert len(table.TableProcessor().get_train_examples(folder)) == 3
    (record,) = caplog.records
    assert "train.csv: 2 of 3 rows have no text, the first in " in record.getMessage()
    assert "train.csv, line 3; fill it in" in record.getMessage()

  @pytest.mark.parametrize("name", ["train", "dev"])
  def test_an_empty_label_is_named(self, put, name):
    folder = put(**{f"{name}_csv": "text,label\nx,a\ny, \n"})
    processor = table.TableProcessor(labels=["a"])
    message = f"{name}.csv, line 3, column 'label': the label is empty"
    with pytest.raises(ValueError, match=message):
      getattr(processor, f"get_{name}_examples")(folder)

  def test_a_number_with_a_fraction_is_no_label(self, put):
    folder = put(train_jsonl=lines({"text": "x", "label": 0.5}))
    message = (
      "train.jsonl, line 1, column 'label': expected a text or a whole number as "
      "label, found 0.5"
    )
    with pytest.raises(ValueError, match=message):
      table.TableProcessor().get_train_examples(folder)


class TestTestSet:
  def test_it_may_lack_the_label_column_and_a_training_set(self, put):
    folder = put(test_csv="text\nx\n")
    found = table.TableProcessor().get_test_examples(folder)
    assert seen(found) == [("test-1", "x", None, None)]

  def test_empty_labels_are_none_and_others_are_kept(self, put):
    folder = put(test_csv="text,label\nx,\ny,a\n")
    found = table.TableProcessor(labels=["a", "b"]).get_test_examples(folder)
    assert [example.label for example in found] == [None, "a"]

  def test_an_unknown_label_is_named_with_the_remedy(self, put):
    folder = put(test_csv="text,label\nx,?\n")
    message = (
      r"test.csv, line 2, column 'label': label '\?' is not one of 'a'; leave unknown "
      "labels empty in a test set"
    )
    with pytest.raises(ValueError, match=message):
      table.TableProcessor(labels=["a"]).get_test_examples(folder)


class TestFiles:
  ROWS = "text,label\nx,a\n"

  @pytest.mark.parametrize("stem", ["dev", "valid", "validation"])
  def test_the_development_set_has_three_usual_names(self, put, stem):
    folder = put(**{f"{stem}_csv": self.ROWS})
    found = table.TableProcessor(labels=["a"]).get_dev_examples(folder)
    assert found[0].source == f"{folder}/{stem}.csv, line 2"

  @pytest.mark.parametrize("ending", ["jsonl", "json"])
  def test_json_lines_have_two_usual_endings(self, put, ending):
    folder = put(**{f"train_{ending}": lines({"text": "x", "label": "a"})})
    found = table.TableProcessor().get_train_examples(folder)
    assert seen(found) == [("train-1", "x", None, "a")]

  def test_a_file_in_the_data_directory_can_be_chosen(self, put):
    folder = put(train_csv=self.ROWS, small_csv=self.ROWS)
    processor = table.TableProcessor(train_file="small.csv")
    found = processor.get_train_examples(folder)
    assert found[0].source == f"{folder}/small.csv, line 2"

  def test_a_file_elsewhere_can_be_chosen(self, put, tmp_path):
    folder = put(small_csv=self.ROWS)
    processor = table.TableProcessor(train_file=f"{folder}/small.csv")
    assert len(processor.get_train_examples(str(tmp_path / "other"))) == 1
    assert table.TableProcessor(train_file=f"{folder}/small.csv").get_labels() == ["a"]

  def test_a_file_is_read_once(self, put, monkeypatch):
    folder = put(train_csv=self.ROWS)
    processor = table.TableProcessor(data_dir=folder)
    processor.get_labels()
    monkeypatch.setattr(table.table_files, "read_table", None)
    assert len(processor.get_train_examples(folder)) == 1

  def test_a_missing_chosen_file_is_told(self, put):
    folder = put(train_csv=self.ROWS)
    message = f"--dev_file=none.csv: there is no such file, nor one in {folder}"
    with pytest.raises(FileNotFoundError, match=message):
      table.TableProcessor(dev_file="none.csv").get_dev_examples(folder)

  def test_a_missing_set_is_told_with_its_usual_names(self, put):
    message = (
      "--data_dir=.* has no test set: expected one of test.csv, test.tsv, test.jsonl, "
      "test.json, or --test_file"
    )
    with pytest.raises(FileNotFoundError, match=message):
      table.TableProcessor().get_test_examples(put())

  def test_two_files_for_a_set_are_told(self, put):
    folder = put(train_csv=self.ROWS, train_tsv=self.ROWS)
    message = "has more than one train set: train.csv, train.tsv; choose with --train_"
    with pytest.raises(ValueError, match=message):
      table.TableProcessor().get_train_examples(folder)

  def test_the_registry_passes_all_options(self, put):
    folder = put(train_csv="body,kind\nx,a\n")
    processor = registry.get_processor(
      "table",
      data_dir=folder,
      text_columns=["body"],
      label_column="kind",
      id_column=None,
      labels=None,
      labels_file=None,
      language="ja",
    )
    assert processor.get_labels() == ["a"]


class TestPositiveLabels:
  ROWS = "text,label\nx,film\ny,sport\nz,food\n"

  def test_they_are_class_one_in_all_sets(self, put):
    folder = put(train_csv=self.ROWS, dev_csv=self.ROWS, test_csv="text,label\nx,new\n")
    processor = table.TableProcessor(positive_labels="film,food")
    assert processor.get_labels() == ["0", "1"]
    for read in (processor.get_train_examples, processor.get_dev_examples):
      assert [row.label for row in read(folder)] == ["1", "0", "1"]
    assert [row.label for row in processor.get_test_examples(folder)] == ["0"]

  def test_one_that_no_row_has_is_told_with_the_nearest(self, put):
    folder = put(train_csv=self.ROWS)
    processor = table.TableProcessor(positive_labels=["sports"])
    message = (
      "--positive_labels=sports: .*train.csv has label 'sports'; did you mean 'sp"
    )
    with pytest.raises(ValueError, match=message):
      processor.get_train_examples(folder)

  def test_a_trained_model_needs_no_training_set(self, put):
    folder = put(test_csv="text\nx\n")
    processor = table.TableProcessor(labels=["0", "1"], positive_labels=["film"])
    assert seen(processor.get_test_examples(folder)) == [("test-1", "x", None, None)]

  def test_other_kinds_of_tasks_are_told(self):
    message = "--positive_labels is for tasks of kind sentence, this one's is multi_lab"
    with pytest.raises(ValueError, match=message):
      multi_label.MultiLabelProcessor(positive_labels=["a"])


class TestContext:
  ROWS = "text,label,book\na,1,p\nb,0,q\nc,1,p\nd,0,p\n"

  def texts(self, folder, **options):
    processor = table.TableProcessor(**options)
    return [
      (row.text_a, row.text_b) for row in processor.get_train_examples(folder)
    ], processor.kind_options

  def test_rows_before_are_the_first_text(self, put):
    found, options = self.texts(put(train_csv=self.ROWS), context_sentences=3)
    assert found == [("", "a"), ("a", "b"), ("a b", "c"), ("b c", "d")]
    assert options == {"context": True}

  def test_only_those_of_the_same_document(self, put):
    found, _ = self.texts(
      put(train_csv=self.ROWS), context_sentences=2, document_column="book"
    )
    assert found == [("", "a"), ("", "b"), ("a", "c"), ("c", "d")]

  def test_each_set_begins_anew(self, put):
    folder = put(train_csv=self.ROWS, dev_csv=self.ROWS)
    processor = table.TableProcessor(context_sentences=2)
    processor.get_train_examples(folder)
    assert processor.get_dev_examples(folder)[0].text_a == ""

  def test_one_sentence_is_the_row_alone(self, put):
    found, options = self.texts(
      put(train_csv=self.ROWS), context_sentences=1, document_column="none"
    )
    assert found == [(text, None) for text in "abcd"]
    assert options == {}

  def test_documents_without_a_context_are_told(self):
    message = "--document_column=book says .*; give --context_sentences too, or leave"
    with pytest.raises(ValueError, match=message):
      registry.get_processor("table", document_column="book")

  def test_a_missing_document_column_is_told(self, put):
    folder = put(train_csv=self.ROWS)
    message = "no column 'boook'; did you mean 'book'.*choose with --document_column"
    with pytest.raises(ValueError, match=message):
      self.texts(folder, context_sentences=2, document_column="boook")

  def test_rows_of_two_texts_are_told(self, put):
    folder = put(train_csv="text_a,text_b,label\nx,y,1\n")
    message = (
      "--context_sentences=2: rows of .*train.csv have two texts .text_a, text_b.; "
      "choose one column with --text_columns"
    )
    with pytest.raises(ValueError, match=message):
      self.texts(folder, context_sentences=2)


class Letters:
  """A tokenizer: each letter is a piece."""

  def encode(self, text):
    return list(text)


class TestDropLonger:
  ROWS = "text,label\nabcd,1\nab,0\nabc,1\n"
  LIMIT = length_limit.LengthLimit(Letters(), 5)

  def test_longer_rows_are_left_out_and_others_keep_their_names(self, put):
    folder = put(train_csv=self.ROWS, dev_csv=self.ROWS, test_csv=self.ROWS)
    processor = table.TableProcessor(drop_longer=self.LIMIT)
    for name in ("train", "dev", "test"):
      rows = processor.examples(folder, name)
      assert [row.guid for row in rows] == [f"{name}-2", f"{name}-3"]
    assert processor.left_out == {"train": 1, "dev": 1, "test": 1}

  def test_a_test_set_without_labels_stays_whole(self, put, caplog):
    caplog.set_level("INFO", logger="absl")
    folder = put(test_csv="text\nabcd\nab\n")
    processor = table.TableProcessor(drop_longer=self.LIMIT)
    assert len(processor.get_test_examples(folder)) == 2
    assert f"test set {folder}/test.csv: 1 of 2 rows have more than 5" in caplog.text

  def test_a_label_of_dropped_rows_alone_is_one_still(self, put):
    folder = put(train_csv="text,label\nabcd,rare\nab,a\n", dev_csv=self.ROWS)
    processor = table.TableProcessor(drop_longer=self.LIMIT, data_dir=folder)
    assert processor.get_labels() == ["a", "rare"]

  def test_a_dropped_row_is_context_of_the_next(self, put):
    processor = table.TableProcessor(drop_longer=self.LIMIT, context_sentences=2)
    rows = processor.get_train_examples(put(train_csv=self.ROWS))
    assert [(row.text_a, row.text_b) for row in rows] == [("abcd", "ab")]

  def test_choices_are_told(self):
    message = (
      "--drop_longer is for tasks of kind sentence, multi_label, regression, this"
    )
    with pytest.raises(ValueError, match=message):
      multiple_choice.MultipleChoiceProcessor(drop_longer=self.LIMIT)


class TestTextsFile:
  PAIRS = "text_a,text_b,label\np,q,1\nq,p,0\n"

  def test_cells_are_ids_of_texts(self, put):
    folder = put(train_csv=self.PAIRS, texts_json='{"p": "駅の前", "q": "店"}')
    processor = table.TableProcessor(texts_file="texts.json")
    assert seen(processor.get_train_examples(folder)) == [
      ("train-1", "駅の前", "店", "1"),
      ("train-2", "店", "駅の前", "0"),
    ]

  def test_it_may_lie_elsewhere_and_rows_may_have_one_id(self, put, tmp_path):
    folder = put(train_csv="doc,label\n7,1\n", texts_tsv="id\ttext\n7\tx\n")
    processor = table.TableProcessor(
      texts_file=f"{folder}/texts.tsv",
      train_file=f"{folder}/train.csv",
      text_columns=["doc"],
    )
    found = processor.get_train_examples(str(tmp_path / "other"))
    assert seen(found) == [("train-1", "x", None, "1")]

  def test_an_id_without_text_is_named_with_its_place(self, put):
    folder = put(train_csv=self.PAIRS, texts_json='{"p": "x"}')
    processor = table.TableProcessor(texts_file="texts.json")
    message = (
      "train.csv, line 2, column 'text_b': id 'q' has no text in "
      "--texts_file=texts.json; add it there, or leave the row out"
    )
    with pytest.raises(ValueError, match=message):
      processor.get_train_examples(folder)

  def test_a_missing_file_is_told(self, put):
    processor = table.TableProcessor(texts_file="texts.json")
    message = "--texts_file=texts.json: there is no such file, nor one in "
    with pytest.raises(FileNotFoundError, match=message):
      processor.get_train_examples(put(train_csv=self.PAIRS))
