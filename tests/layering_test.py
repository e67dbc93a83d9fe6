"""Imports point down: a file imports rows below its own, and its own group.

Import statements are read from the source, those inside functions too: a late import
saves time, it does not change what depends on what.
"""

import ast
import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_SCRIPTS = sorted(path.stem for path in _ROOT.glob("*.py"))

# From the bottom to the top. A group is a module or folder of `bert_ja`, or several
# names joined by "+" that belong together.
_ROWS = (
  ("text_io", "lazy", "plain_log", "shipped_models"),
  ("hugging_face", "input_files", "table_files"),
  ("checkpoint",),
  ("one_pass",),
  ("modeling", "optimization", "distribution", "ja"),
  (
    "tokenization",
    "corpora",
    "model_files",
    "heads",
    "pretraining_heads",
    "metrics",
    "entity_scores",
    "figures",
    "run_config",
    "losses",
    "stopping",
  ),
  ("japanese_tokenization",),
  (
    "front_ends+front_end_choice",
    "graph_tokenization",
    "vocabularies",
    "data",
    "mask_filling",
    "reporting+label_reports+learning_curve",
    "run_queue+run_state",
    "train_step",
    "two_tower",
  ),
  (
    "flags",
    "tasks",
    "estimator+training_loop+history",
    "encoding",
  ),
  (
    "baselines",
    "comparisons",
    "pair_scoring",
    "reading",
    "reports",
  ),
  ("job", "studies"),
  ("frozen_encoder",),
  ("commands", "__main__", *_SCRIPTS),
)
_ROW_OF = {
  name: (row, group)
  for row, groups in enumerate(_ROWS)
  for group in groups
  for name in group.split("+")
}
# The package's `__init__` names modules as texts, which load when they are used.
_ROW_OF["bert_ja"] = (1, "bert_ja")

# (file, what it imports): why it may, although both are in one row. Functions of flags/
# that fill a dataclass or build an object import it from a row below, and need none.
_EXCEPTIONS = {
  ("bert_ja.flags.task_flags", "bert_ja.tasks.registry"): (
    "get_processor fills a task's options from the flags that it declares; inside the "
    "function, so that defining flags reads no task"
  ),
}

_FILES = sorted([*_ROOT.glob("*.py"), *_ROOT.glob("bert_ja/**/*.py")])
# Modules, and folders of modules, that a program loads at its start, or that worker
# processes load: whoever starts one waits for them.
_WITHOUT_TENSORFLOW = (
  "bert_ja.__main__",
  "bert_ja.baselines",
  "bert_ja.commands",
  "bert_ja.comparisons",
  "bert_ja.corpora",
  "bert_ja.data.choice_features",
  "bert_ja.data.context_features",
  "bert_ja.data.feature_cache",
  "bert_ja.data.example_log",
  "bert_ja.data.length_limit",
  "bert_ja.data.pair_features",
  "bert_ja.data.parallel",
  "bert_ja.data.pretraining_documents",
  "bert_ja.data.pretraining_draws",
  "bert_ja.data.pretraining_instances",
  "bert_ja.data.pretraining_records",
  "bert_ja.data.pretraining_shards",
  "bert_ja.data.record_columns",
  "bert_ja.data.record_frames",
  "bert_ja.data.records",
  "bert_ja.data.span_features",
  "bert_ja.data.span_pieces",
  "bert_ja.data.span_windows",
  "bert_ja.data.text_rows",
  "bert_ja.data.tagged_files",
  "bert_ja.data.tower_features",
  "bert_ja.data.validation_split",
  "bert_ja.data.word_features",
  "bert_ja.flags",
  "bert_ja.front_end_choice",
  "bert_ja.front_ends",
  "bert_ja.ja",
  "bert_ja.japanese_tokenization",
  "bert_ja.model_files",
  "bert_ja.label_reports",
  "bert_ja.learning_curve",
  "bert_ja.reading",
  "bert_ja.reporting",
  "bert_ja.run_queue",
  "bert_ja.run_state",
  "bert_ja.shipped_models",
  "bert_ja.studies",
  "bert_ja.table_files",
  "bert_ja.tasks",
  "bert_ja.tokenization",
  *_SCRIPTS,
)


def module_name(path):
  parts = path.relative_to(_ROOT).with_suffix("").parts
  return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


_MODULES = {module_name(path): path for path in _FILES}


def row_and_group(module):
  """(height, group) of a module's full name; None for one without a row."""
  package, _, rest = module.partition(".")
  return _ROW_OF.get(rest.split(".")[0] or package)


def imports(node, late=True):
  """Full names that the import statements below a node load, and their lines.

  Args:
    node: of a syntax tree.
    late: whether to look into functions.
  """
  for child in ast.iter_child_nodes(node):
    if isinstance(child, ast.Import):
      yield from ((alias.name, child.lineno) for alias in child.names)
    elif isinstance(child, ast.ImportFrom):
      module = "." * child.level + (child.module or "")
      yield from ((f"{module}.{alias.name}", child.lineno) for alias in child.names)
    elif late or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
      yield from imports(child, late)


def file_imports(module, late=True):
  return imports(ast.parse(_MODULES[module].read_text(encoding="utf-8")), late)


def module_of(name):
  """The project's module that a full name belongs to, or None."""
  return next((m for m in (name, name.rpartition(".")[0]) if m in _MODULES), None)


def points_down(importer, module):
  if (importer, module) in _EXCEPTIONS:
    return True
  (row, group), (other_row, other_group) = map(row_and_group, (importer, module))
  return other_row < row or other_group == group


def is_program(module):
  return row_and_group(module)[1] in (
    "flags",
    "commands",
    "job",
    "__main__",
    *_SCRIPTS,
  )


class TestFiles:
  def test_each_has_a_row(self):
    assert not [module for module in _MODULES if row_and_group(module) is None], (
      "add them to _ROWS"
    )

  def test_imports_point_down(self):
    assert not [
      f"{importer}, line {line}: {name}"
      for importer in _MODULES
      for name, line in file_imports(importer)
      if module_of(name) and not points_down(importer, module_of(name))
    ]

  def test_each_exception_is_needed(self):
    for importer, module in _EXCEPTIONS:
      assert module in {module_of(name) for name, _ in file_imports(importer)}

  def test_no_import_is_relative(self):
    assert not [
      f"{importer}, line {line}: {name}"
      for importer in _MODULES
      for name, line in file_imports(importer)
      if name.startswith(".")
    ]

  def test_names_are_imported_from_where_they_are_defined(self):
    # The package's own names are for its users; inside they would hide a dependency.
    assert not [
      f"{importer}, line {line}: {name}"
      for importer in _MODULES
      for name, line in file_imports(importer)
      if module_of(name) == "bert_ja"
    ]

  def test_only_programs_know_flags(self):
    assert not [
      importer
      for importer in _MODULES
      if not is_program(importer)
      and any(name.startswith("absl.flags") for name, _ in file_imports(importer))
    ]

  def test_programs_import_tensorflow_in_functions_only(self):
    assert not [
      f"{importer}, line {line}: {name}"
      for importer in _MODULES
      if is_program(importer) or importer == "bert_ja"
      for name, line in file_imports(importer, late=False)
      if name.split(".")[0] in ("tensorflow", "keras", "torch")
    ]


def test_start_up_and_workers_load_no_tensorflow():
  folders = tuple(f"{name}." for name in _WITHOUT_TENSORFLOW)
  names = [name for name in _MODULES if f"{name}.".startswith(folders)]
  code = (
    "import importlib, sys\n"
    f"for name in {names}:\n"
    "  importlib.import_module(name)\n"
    "  if 'tensorflow' in sys.modules: sys.exit(name + ' loads tensorflow')\n"
  )
  result = subprocess.run(
    [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=False
  )
  assert (result.returncode, result.stderr) == (0, "")


class TestReadingImports:
  def test_those_inside_functions_count(self):
    tree = ast.parse("import os\ndef f():\n  if x:\n    from bert_ja import heads\n")
    assert list(imports(tree)) == [("os", 1), ("bert_ja.heads", 4)]

  def test_those_inside_functions_can_be_left_out(self):
    tree = ast.parse("try:\n  import os\nfinally:\n  def f():\n    import re\n")
    assert list(imports(tree, late=False)) == [("os", 2)]

  def test_a_relative_one_starts_with_a_dot(self):
    assert list(imports(ast.parse("from . import heads\n"))) == [("..heads", 1)]

  @pytest.mark.parametrize(
    ("name", "module"),
    [
      ("bert_ja.run_config.RunConfig", "bert_ja.run_config"),
      ("bert_ja.tasks.registry", "bert_ja.tasks.registry"),
      ("bert_ja.BertModel", "bert_ja"),
      ("run_classifier.main", "run_classifier"),
      ("os.path", None),
    ],
  )
  def test_the_module_of_a_name(self, name, module):
    assert module_of(name) == module

  @pytest.mark.parametrize(
    ("importer", "module", "allowed"),
    [
      ("bert_ja.checkpoint", "bert_ja.hugging_face", True),
      ("bert_ja.hugging_face", "bert_ja.checkpoint", False),
      ("bert_ja.history", "bert_ja.training_loop", True),
      ("bert_ja.estimator", "bert_ja.tasks.base", False),
      ("bert_ja.tasks.glue", "bert_ja.tasks.base", True),
      ("bert_ja.tasks.glue", "bert_ja.flags.task_flags", False),
      ("bert_ja.modeling", "bert_ja.optimization", False),
      ("bert_ja.data.records", "run_classifier", False),
      ("run_classifier", "bert_ja.flags.task_flags", True),
      ("run_classifier", "bert_ja.commands.convert", False),
      ("bert_ja", "bert_ja.lazy", True),
      ("bert_ja", "bert_ja.modeling", False),
    ],
  )
  def test_the_direction_of_an_import(self, importer, module, allowed):
    assert points_down(importer, module) == allowed
