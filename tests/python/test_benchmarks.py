"""The benchmarks' program: that its workloads run, and what it makes of times. Nothing here measures time."""

import importlib
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import taper

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
goals, machine, native, neighbour, pictures, report, results, runner, workload, workloads = (
    importlib.import_module(f"benchmarks.{name}")
    for name in (
        "goals",
        "machine",
        "native",
        "neighbour",
        "pictures",
        "report",
        "results",
        "runner",
        "workload",
        "workloads",
    )
)
sys.path.remove(str(ROOT))

LIMITS = machine.Limits(1e11, {200_000: 1e11, 200_000_000: 1e10}, {200_000: 2e11, 200_000_000: 2e10})
ADD = workload.Workload("elementwise", "add, 4 M", lambda torch: None, bytes=4e7, flops=4e6)
PRODUCT = workload.Workload("matmul", "big", lambda torch: None, flops=1e9, bytes=1e6)
STEP = workload.Workload("training", "net", lambda torch: None)


def measured():
    one = {
        ADD: {"taper": {"min": 5e-3, "median": 6e-3}, "torch": {"min": 1e-2, "median": 2e-2}},
        PRODUCT: {"taper": {"min": 2e-2, "median": 2e-2}, "torch": {"min": 1e-2, "median": 1e-2}},
        STEP: {"taper": {"min": 1e-3, "median": 1e-3}, "torch": {"error": "ValueError: no\nsuch thing"}},
    }
    two = {**one, PRODUCT: {"taper": {"min": 1e-2, "median": 1e-2}, "torch": {"min": 1e-2, "median": 1e-2}}}
    rates = {name: {"median": 100.0, "worst": 90.0} for name in neighbour.SITUATIONS}
    rates["2 threads, neighbour"] = {"median": 95.0, "worst": 40.0}
    return results.Measured(
        "a processor",
        {"taper": "1", "torch": "2"},
        [results.Run(1, LIMITS, one), results.Run(2, LIMITS, two)],
        [["peak memory of a step", "B", {"taper": 2e6, "torch": 1e6}], ["import", "s", {"taper": 1e-3}]],
        {"taper": rates},
        {"add/4": {"taper": 1e-7, "torch": 5e-7}},
    )


@pytest.mark.parametrize("group", sorted({work.group for work in workloads.all_workloads()} - {"training"}))
def test_the_small_workloads_of_a_group_run(group):
    small = [
        work
        for work in workloads.all_workloads()
        if work.group == group and work.bytes < 1e6 and work.flops < 1e8 and " M" not in work.name
    ]
    assert small or group == "inference"
    for work in small:
        work.make(taper)()


def test_a_training_step_runs():
    step = next(work for work in workloads.all_workloads() if work.title == "training: GPT 2 x 32, 2 x 16")
    step.make(taper)()


def test_titles_tell_workloads_apart():
    titles = [work.title for work in workloads.all_workloads()]
    assert len(titles) == len(set(titles))


def test_most_workloads_are_written_in_tensorflow_too():
    every = workloads.all_workloads()
    without = [work.title for work in every if work.maker("tensorflow") is None]
    assert len(without) < 0.05 * len(every), without


def test_a_graph_wraps_what_tensorflow_does():
    class TensorFlow:
        function = staticmethod(lambda call: ("graph of", call))

    work = workload.Workload("g", "n", None, tensorflow=lambda tf: "call", compiled=True)
    assert work.maker("tensorflow_graph")(TensorFlow) == ("graph of", "call")
    assert workload.Workload("g", "n", None, tensorflow=lambda tf: "call").maker("tensorflow_graph") is None


def test_the_limit_is_the_slower_of_computing_and_moving():
    assert LIMITS.seconds(ADD) == pytest.approx(4e-3)  # 40 MB at 10 GB/s
    assert LIMITS.seconds(PRODUCT) == pytest.approx(1e-2)  # 1 GFLOP at 100 GFLOP/s
    assert LIMITS.seconds(STEP) is None
    reading = workload.Workload("reductions", "sum", None, bytes=4e7, reads=True)
    assert LIMITS.seconds(reading) == pytest.approx(2e-3)


def test_a_small_array_is_measured_against_the_cache():
    small = workload.Workload("elementwise", "add, 16 k", None, bytes=2e5)
    assert LIMITS.seconds(small) == pytest.approx(2e-6)
    assert LIMITS.seconds(workload.Workload("elementwise", "add, 256", None, bytes=3072)) is None


def test_a_cell_gives_the_time_and_how_many_times_tapers_it_is():
    result = measured().runs[0].results
    assert report.cell(result[ADD], "torch") == "10 ms (2.00)"
    assert report.cell(result[ADD], "taper") == "5 ms"
    assert report.cell(result[STEP], "torch") == "-"
    assert report.cell(result[STEP], "tensorflow") == ""


def test_goals_name_what_misses_them():
    rows = {row.title: row for row in goals.rows(measured())}
    assert rows["every workload"].misses == {PRODUCT.title: pytest.approx(0.5)}
    assert rows["elementwise, broadcasting, reductions, norms, moves"].misses == {}
    assert rows["these, in memory: of the measured bandwidth"].figures == {ADD.title: pytest.approx(0.8)}
    assert rows["1 -> 2 threads on compute-bound work"].figures == {PRODUCT.title: pytest.approx(2.0)}
    assert list(rows["PyTorch's peak memory of training steps over Taper's"].misses.values()) == [0.5]
    beside = rows["2 threads beside a busy neighbour, of 1 thread"]
    assert beside.misses == {"worst tenth of a second": pytest.approx(40 / 90)}


def test_the_report_has_every_part_and_the_reason_of_what_failed():
    text = report.as_markdown(measured(), [("bars", "bars.svg")])
    assert "| elementwise: add, 4 M | 5 ms | 10 ms (2.00) | 4 ms (80%) |" in text
    assert "- 1 thread(s), torch, training: net: ValueError: no such thing" in text
    assert "![bars](bars.svg)" in text
    assert "| add/4 | 100 ns | 500 ns (5.00) |" in text
    assert "| 2 threads of 1, beside the neighbour | 95% (44%) |" in text


def test_a_report_of_taper_alone_has_no_ratios():
    alone = measured()
    alone.versions.pop("torch")
    alone.native = {}
    before, figures = report.as_markdown(alone).split("## All figures, 1 thread")
    assert "torch" not in before
    assert "| matmul: big | 20 ms | 10 ms (50%) |" in figures


def test_json_keeps_everything_the_report_says():
    before = measured()
    after = results.from_json(results.to_json(before), [ADD, PRODUCT, STEP])
    assert report.as_markdown(after) == report.as_markdown(before)


def test_only_what_lies_between_the_marks_of_a_page_changes():
    page = f"# Title\n\nby hand\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nmore\n"
    new = report.inside(page, "new\n")
    assert new == page.replace("old", "new")
    assert report.inside(new, "new\n") == new
    with pytest.raises(ValueError, match="has no lines"):
        report.inside("# Title\n", "new\n")


def test_pictures_are_xml_with_a_mark_for_each_figure():
    drawn = {name: picture for (name, _), picture in pictures.all_of(measured()).items()}
    assert set(drawn) == {"torch_1.svg", "torch_2.svg", "roofline_1.svg", "roofline_2.svg"}
    for picture in drawn.values():
        ElementTree.fromstring(picture)
    assert drawn["torch_1.svg"].count("<rect x=") == 2
    assert drawn["roofline_1.svg"].count("<title>") == 4


def test_a_process_that_ends_costs_only_the_workload_it_was_at(tmp_path):
    program = tmp_path / "python"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    title = json.loads(line)[0]\n"
        "    if title == 'dies':\n"
        "        sys.exit(3)\n"
        "    if title != 'hangs':\n"
        "        print(json.dumps({'seconds': 1.5}), flush=True)\n"
    )
    program.chmod(0o755)
    worker = runner.Worker("torch", 1, str(program))
    try:
        assert worker.time("works", 0) == 1.5
        assert worker.time("dies", 0) == "the process of torch ended with status 3"
        assert worker.time("works", 0) == 1.5
        worker.longest = 0.1
        assert worker.time("hangs", 0) == "no answer within 0.1 s"
        worker.longest = runner.LONGEST
        assert worker.time("works", 0) == 1.5
    finally:
        worker.close()


def test_times_of_a_google_benchmark_program_are_in_seconds():
    text = """{"benchmarks": [
      {"name": "add/4", "run_type": "iteration", "real_time": 50, "time_unit": "ns"},
      {"name": "add/4_mean", "run_type": "aggregate", "real_time": 60, "time_unit": "ns"},
      {"name": "step", "run_type": "iteration", "real_time": 2, "time_unit": "ms"}]}"""
    assert native.times_of(text) == {"add/4": pytest.approx(5e-8), "step": pytest.approx(2e-3)}
