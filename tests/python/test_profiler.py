"""Profiles name what ran, how often, within what, and on which shapes."""

import json

import pytest

import taper
from taper import nn
from taper.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule


def names(events):
    return [event.name for event in events]


def test_operations_operators_backward_and_ranges():
    x = taper.ones(4, 3, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as taken:
        with record_function("the forward"):
            y = taper.relu(x @ taper.ones(3, 2)) * 2
        y.sum().backward()
    found = names(taken.events())
    for name in ("the forward", "aten::matmul", "aten::relu", "aten::mul", "aten::sum", "ReluBackward0"):
        assert found.count(name) >= 1, name
    relu = next(event for event in taken.events() if event.name == "aten::relu")
    assert relu.cpu_parent.name == "the forward" and relu.input_shapes == [[4, 2]]
    assert 0 < relu.cpu_time_total <= relu.cpu_parent.cpu_time_total
    taper.relu(x)
    assert names(taken.events()) == found


def test_averages_and_table():
    with profile() as taken:
        for _ in range(3):
            taper.exp(taper.ones(2))
    by_name = {event.key: event for event in taken.key_averages()}
    assert by_name["aten::exp"].count == 3
    assert by_name["aten::exp"].cpu_time == pytest.approx(by_name["aten::exp"].cpu_time_total / 3)
    table = taken.key_averages().table(sort_by="cpu_time_total", row_limit=1)
    assert "# of Calls" in table and "Self CPU time total" in table
    with pytest.raises(ValueError, match="cannot sort by 'colour'"):
        taken.key_averages().table(sort_by="colour")


def test_chrome_trace(tmp_path):
    with profile() as taken:
        nn.Linear(2, 2)(taper.ones(1, 2))
    taken.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert any(event["name"] == "aten::linear" and event["dur"] > 0 for event in events)


def test_schedule_waits_warms_up_and_records():
    plan = schedule(wait=1, warmup=1, active=2, repeat=1, skip_first=1)
    action = ProfilerAction
    assert [plan(step) for step in range(7)] == [
        action.NONE,
        action.NONE,
        action.WARMUP,
        action.RECORD,
        action.RECORD_AND_SAVE,
        action.NONE,
        action.NONE,
    ]
    traces = []
    ready = lambda taken: traces.append(names(taken.events()))
    with profile(schedule=plan, on_trace_ready=ready) as taken:
        for _ in range(7):
            taper.exp(taper.ones(1))
            taken.step()
    assert len(traces) == 1
    assert (
        traces[0].count("aten::exp") == 2 and "ProfilerStep#3" in traces[0] and "ProfilerStep#4" in traces[0]
    )


def test_one_profile_at_a_time():
    with profile(), pytest.raises(RuntimeError, match="only one can be at a time"):
        profile().start()


def test_errors_do_not_end_the_profile():
    with profile() as taken, pytest.raises(taper.ShapeError):
        taper.ones(2, 3) @ taper.ones(2, 3)
    assert "aten::matmul" in names(taken.events())
