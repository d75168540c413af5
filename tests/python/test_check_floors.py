"""The floor check finds what it is for."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("check_floors", Path(__file__).parents[1] / "check_floors.py")
floors = importlib.util.module_from_spec(spec)
spec.loader.exec_module(floors)


def faults(path, *lines):
    return list(floors.check_includes(path, lines))


@pytest.mark.parametrize(
    "path, include",
    [
        ("src/base/shape.cc", '"taper/tensor.h"'),
        ("src/cpu/map.cc", '"taper/tensor.h"'),
        ("src/tensor/tensor.cc", '"autograd/record.h"'),
        ("src/autograd/engine.cc", '"taper/ops.h"'),
        ("src/ops/view.cc", '"io/npy.h"'),
        ("include/taper/tensor.h", '"taper/ops/view.h"'),
    ],
)
def test_an_upward_include_is_a_fault(path, include):
    (message,) = faults(path, "#pragma once", f"#include {include}")
    assert message.startswith(f"{path}:2: the floor ") and " higher floor " in message


@pytest.mark.parametrize(
    "path, include",
    [
        ("src/tensor/storage.cc", '"cpu/allocator.h"'),
        ("src/tensor/tensor.cc", '"tensor/autograd_fwd.h"'),
        ("src/ops/view.cc", "<hwy/highway.h>"),
        ("src/io/npy.cc", '"taper/tensor.h"'),
        ("python/bindings/module.cc", '"ops/registry.h"'),
    ],
)
def test_a_downward_include_is_none(path, include):
    assert faults(path, f"#include {include}") == []


def test_public_headers_stay_light_and_public():
    assert "too heavy" in faults("include/taper/shape.h", "#include <nlohmann/json.hpp>")[0]
    assert "is not public" in faults("include/taper/shape.h", '#include "base/visit.h"')[0]


def test_an_unknown_header_or_floor_must_be_added():
    assert faults("include/taper/surprise.h") == [
        "include/taper/surprise.h: on which floor is it? Add it to PUBLIC in tests/check_floors.py"
    ]
    assert "is no floor" in faults("src/attic/x.cc")[0]


def test_long_files_and_lines_are_faults():
    assert list(floors.check_length("src/x.cc", [""] * 800)) == []
    assert list(floors.check_length("src/x.cc", [""] * 801)) == [
        "src/x.cc: 801 lines; split it by meaning (at most 800)"
    ]
    assert list(floors.check_width("src/x.cc", ["", "y" * 111])) == ["src/x.cc:2: 111 columns (at most 110)"]
