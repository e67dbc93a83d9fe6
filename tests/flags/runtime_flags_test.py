"""Flags of devices: defaults, and the dataclass they fill."""

import pytest
from absl import flags

from bert_ja import distribution
from bert_ja.flags import runtime_flags


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-7."""
    assert own_values(runtime_flags) == {
      "use_tpu": False,
      "tpu_name": None,
      "tpu_zone": None,
      "gcp_project": None,
      "master": None,
      "num_tpu_cores": 8,
      "num_devices": 0,
    }

  def test_devices_are_counted_from_0(self, parse):
    with pytest.raises(flags.IllegalFlagValueError, match="num_devices=-1"):
      parse("--num_devices=-1")


class TestRead:
  def test_without_flags_it_is_the_default_object(self, parse):
    assert runtime_flags.read(parse()) == distribution.RuntimeConfig()

  def test_each_flag_fills_its_field(self, parse):
    flag_values = parse(
      "--use_tpu",
      "--tpu_name=name",
      "--tpu_zone=zone",
      "--gcp_project=project",
      "--master=grpc://host",
      "--num_tpu_cores=4",
      "--num_devices=2",
    )
    assert runtime_flags.read(flag_values) == distribution.RuntimeConfig(
      use_tpu=True,
      tpu_name="name",
      tpu_zone="zone",
      gcp_project="project",
      master="grpc://host",
      num_tpu_cores=4,
      num_devices=2,
    )
