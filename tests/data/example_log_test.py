"""Lines of an example, as they stand in a log."""

from bert_ja.data import example_log


def test_a_line_a_value_and_spaces_between_the_parts_of_one(info_lines):
  example_log.log_example(
    [("guid", "dev-1"), ("tokens", ["海", "##辺"]), ("id", 3), ("tags", ())]
  )
  assert info_lines() == [
    "*** Example ***",
    "guid: dev-1",
    "tokens: 海 ##辺",
    "id: 3",
    "tags: ",
  ]
