"""Tasks by name, their options, and a user's own file."""

import pytest

from bert_ja.tasks import base, glue, livedoor, registry, table, xnli

TASK = """
from bert_ja.tasks import base, registry

@registry.register("{name}")
class Mine(base.DataProcessor):
  def get_labels(self):
    return ["no", "yes"]
"""


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
  """Tasks that a test registers are gone after it."""
  registry.task_names()
  monkeypatch.setattr(registry, "_PROCESSORS", dict(registry._PROCESSORS))


class TestGetProcessor:
  @pytest.mark.parametrize(
    ("name", "cls"),
    [
      ("mrpc", glue.MrpcProcessor),
      ("MNLI", glue.MnliProcessor),
      ("CoLA", glue.ColaProcessor),
      ("xnli", xnli.XnliProcessor),
      ("livedoor", livedoor.LivedoorProcessor),
      ("table", table.TableProcessor),
    ],
  )
  def test_names_do_not_depend_on_case(self, name, cls):
    assert type(registry.get_processor(name)) is cls

  def test_a_task_gets_only_the_options_it_declares(self):
    options = {"language": "ja", "label_column": "class", "text_columns": None}
    assert registry.get_processor("xnli", **options).language == "ja"
    assert registry.get_processor("table", **options).label_column == "class"
    assert isinstance(registry.get_processor("mrpc", **options), glue.MrpcProcessor)

  def test_an_option_that_is_none_leaves_the_default(self):
    assert registry.get_processor("xnli", language=None).language == "zh"

  def test_a_subclass_that_passes_options_on_declares_those_of_its_base(self):
    @registry.register("mine")
    class Mine(table.TableProcessor):
      def __init__(self, extra=1, **options):
        super().__init__(**options)
        self.extra = extra

    found = registry.get_processor("mine", extra=2, label_column="x", language="ja")
    assert (found.extra, found.label_column) == (2, "x")

  def test_an_unknown_task_is_told_with_a_near_one_and_the_list(self):
    message = (
      r"task 'MRCP' is not known; did you mean 'mrpc'\? "
      r"\(known: cola, livedoor, mnli, .*, table, .*xnli; one of your own "
      r"needs --task_module\)"
    )
    with pytest.raises(ValueError, match=message):
      registry.get_processor("MRCP")

  def test_a_name_near_to_none_has_no_suggestion(self):
    with pytest.raises(ValueError, match=r"task 'qqqq' is not known \(known: "):
      registry.get_processor("qqqq")


@pytest.mark.parametrize(
  ("name", "kind"), [("Tagging", "token"), ("mrpc", "sentence"), ("mine", None)]
)
def test_a_tasks_kind_is_known_by_its_name(name, kind):
  assert registry.kind_of(name) == kind


class TestRegister:
  def test_a_name_is_taken_once(self):
    message = r"task 'mrpc' is there already: bert_ja.tasks.glue.MrpcProcessor"
    with pytest.raises(ValueError, match=message):
      registry.register("mrpc")(base.DataProcessor)


class TestLoadTaskModule:
  def test_a_users_task_is_found_by_name(self, tmp_path):
    path = tmp_path / "my_task.py"
    path.write_text(TASK.format(name="Nuclei"))
    assert registry.load_task_module(str(path)) == ["nuclei"]
    assert registry.get_processor("nuclei").get_labels() == ["no", "yes"]

  def test_loading_twice_changes_nothing(self, tmp_path):
    path = tmp_path / "my_task.py"
    path.write_text(TASK.format(name="twice"))
    registry.load_task_module(str(path))
    cls = type(registry.get_processor("twice"))
    assert registry.load_task_module(str(path)) == ["twice"]
    assert type(registry.get_processor("twice")) is cls

  def test_a_missing_file_is_told(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="--task_module=.*none.py: there is no"):
      registry.load_task_module(str(tmp_path / "none.py"))

  def test_another_ending_is_told(self, tmp_path):
    path = tmp_path / "my_task.txt"
    path.write_text("")
    with pytest.raises(ValueError, match="my_task.txt: expected a Python file, ending"):
      registry.load_task_module(str(path))

  def test_a_file_that_registers_nothing_is_told(self, tmp_path):
    path = tmp_path / "my_task.py"
    path.write_text("x = 1\n")
    message = r'my_task.py registers no task; write @registry.register\("name"\) above'
    with pytest.raises(ValueError, match=message):
      registry.load_task_module(str(path))

  def test_a_name_of_a_built_in_task_is_told(self, tmp_path):
    path = tmp_path / "my_task.py"
    path.write_text(TASK.format(name="mrpc"))
    with pytest.raises(ValueError, match="task 'mrpc' is there already"):
      registry.load_task_module(str(path))

  def test_a_file_that_failed_can_be_loaded_when_mended(self, tmp_path):
    path = tmp_path / "my_task.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
      registry.load_task_module(str(path))
    path.write_text(TASK.format(name="mended"))
    assert registry.load_task_module(str(path)) == ["mended"]
