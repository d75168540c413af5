"""Plants faults into the CUDA backend's own sources, one at a time, and shows that a test finds each.

    mutations.py [--build BUILD] [--jobs N] [NAME...]    all, or those whose file or fault contains a NAME

A fault is a text of a source and what stands in its place. The source with the fault is compiled to PTX, linked
with the build's other objects into a scratch library, and its test runs on that: it must fail. All tests must
pass without a fault.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/device_sim"


class Fault(NamedTuple):
    what: str
    file: str  # in cuda/
    old: str  # stands there once
    new: str
    test: str  # file of tests, and which of them, as pytest's -k takes it
    compiled: str = ""  # the source to compile, where file is a header


KERNELS, RUNTIME = "test_kernels_on_cuda.py", "test_runtime_on_cuda.py"
SOFTMAX = f"{KERNELS} -k test_softmax"
BACKENDS, CUDNN = "test_backends_on_cuda.py", "test_cudnn_on_cuda.py"
CUDNN_NORMS, RECURRENT = "test_cudnn_norms_on_cuda.py", "test_cudnn_recurrent_on_cuda.py"
JIT, REPEATABLE = "test_jit_on_cuda.py", "test_repeatable_on_cuda.py"
FAULTS = [
    Fault(
        "no barrier before the tree",
        "block.cuh",
        "  shared[threadIdx.x] = value;\n  __syncthreads();",
        "  shared[threadIdx.x] = value;",
        SOFTMAX,
        "softmax.cu",
    ),
    Fault(
        "no barrier between the levels of the tree",
        "block.cuh",
        "shared[threadIdx.x + half * across]);\n    __syncthreads();",
        "shared[threadIdx.x + half * across]);",
        SOFTMAX,
        "softmax.cu",
    ),
    Fault(
        "no barrier before shared memory is used again",
        "block.cuh",
        "% across];\n  __syncthreads();",
        "% across];",
        SOFTMAX,
        "softmax.cu",
    ),
    Fault(
        "one slice too many",
        "softmax.cu",
        "valid = inner < slices.inner",
        "valid = inner <= slices.inner",
        SOFTMAX,
    ),
    Fault("stride of a row for a column", "softmax.cu", "step = slices.inner", "step = 1", SOFTMAX),
    Fault(
        "one element too many is read",
        "softmax.cu",
        "      most = Larger()(most, element<T>(x, slices.dtype, at.first + i * at.step));",
        "      most = Larger()(most, element<T>(x, slices.dtype, at.first + (i + 1) * at.step));",
        SOFTMAX,
    ),
    Fault(
        "threads leave before a barrier",
        "softmax.cu",
        "  T most = T(-INFINITY);\n  if (at.valid)\n",
        "  T most = T(-INFINITY);\n  if (!at.valid) return;\n",
        SOFTMAX,
    ),
    Fault(
        "weights of another row's class",
        "softmax.cu",
        "class_weight<T>(entropy, wanted) : T(0);\n  T value",
        "class_weight<T>(entropy, 0) : T(0);\n  T value",
        f"{KERNELS} -k test_cross_entropy",
    ),
    Fault(
        "no column bound on the store",
        "norm.cu",
        "if (threadIdx.x < 32 && column < norm.size) parts",
        "if (threadIdx.x < 32) parts",
        f"{KERNELS} -k test_layer_norm",
    ),
    Fault(
        "rows by the number of rows",
        "norm.cu",
        "row * norm.size + column",
        "row * norm.rows + column",
        f"{KERNELS} -k test_layer_norm",
    ),
    Fault(
        "gradient without the average of the row",
        "norm.cu",
        "(weighted(i) - average - normal",
        "(weighted(i) - normal",
        f"{KERNELS} -k test_layer_norm",
    ),
    Fault(
        "places of channels-last images as of channels-first",
        "batch_norm.cu",
        "return last ? i * channels + channel :",
        "return",
        f"{KERNELS} -k test_batch_norm",
    ),
    Fault(
        "an output too few for an input",
        "pooling.cu",
        "beyond = last / p.stride[d] + 1;",
        "beyond = last / p.stride[d];",
        f"{KERNELS} -k test_pooling",
    ),
    Fault(
        "gradients to all inputs of a window",
        "pooling.cu",
        "if (indices[output] == input.place) sum",
        "sum",
        f"{KERNELS} -k test_pooling",
    ),
    Fault(
        "sums of integers in order instead of those of floats",
        "index.cu",
        "deterministic_algorithms && !is_integral",
        "deterministic_algorithms && is_integral",
        f"{REPEATABLE} -k same_bits",
    ),
    Fault(
        "a group that begins at each of its numbers",
        "groups.cuh",
        "(k == 0 || target(k - 1) != here)",
        "(k == 0 || here >= 0)",
        f"{REPEATABLE} -k ordered_sums",
        "index.cu",
    ),
    Fault(
        "of several values the first stays",
        "index.cu",
        "if (!groups.ends(k)) continue;",
        "if (!groups.begins(k)) continue;",
        f"{REPEATABLE} -k ordered_sums",
    ),
    Fault(
        "a window's end beyond the image",
        "pooling.cu",
        "end = reach < p.input[d] ? reach : p.input[d];",
        "end = reach;",
        f"{KERNELS} -k test_pooling",
    ),
    Fault(
        "the last of the largest",
        "pooling.cu",
        "value > best ||",
        "value >= best ||",
        f"{KERNELS} -k test_pooling",
    ),
    Fault(
        "index one beyond the end",
        "index.cu",
        "value >= index.size",
        "value > index.size",
        f"{KERNELS} -k out_of_range",
    ),
    Fault(
        "an index out of range is not noted",
        "index.cu",
        "      atomicExch(plan.fault_word, int(plan.fault));\n",
        "",
        f"{KERNELS} -k out_of_range",
    ),
    Fault(
        "+= for atomicAdd of a float",
        "index.cu",
        "atomicAdd(reinterpret_cast<float*>(p), float(value));",
        "*reinterpret_cast<float*>(p) += float(value);",
        f"{KERNELS} -k test_rows_that_are_named_often",
    ),
    Fault(
        "the lower half of a word always",
        "index.cu",
        "const int shift = address & 2 ? 16 : 0;",
        "const int shift = 0;",
        f"{KERNELS} -k test_rows_that_are_named_often",
    ),
    Fault(
        "gradients that start from old memory",
        "embedding.cu",
        "    check_cuda(cudaMemsetAsync(sums, 0, std::size_t(results) * sizeof(T), stream), op);\n",
        "",
        f"{KERNELS} -k test_rows_that_are_named_often",
    ),
    Fault(
        "a chunk beyond the end of its parameter",
        "optimizer.cu",
        "begin + chunk < entry.size ? begin + chunk : entry.size;",
        "begin + chunk;",
        f"{KERNELS} -k test_optimizers",
    ),
    Fault(
        "a block that steps the parameter before",
        "optimizer.cu",
        ".last_block <= int64_t(blockIdx.x)",
        ".last_block < int64_t(blockIdx.x)",
        f"{KERNELS} -k test_optimizers",
    ),
    Fault(
        "float64 as a type of 16 bits",
        "optimizer.cu",
        "if (entry.dtype == float64) step_chunk<double>",
        "if (entry.dtype == float32) step_chunk<double>",
        f"{KERNELS} -k test_optimizers",
    ),
    Fault(
        "a full batch is not stepped",
        "optimizer.cu",
        "      launch(batch, op);\n      batch.count = 0;",
        "      batch.count = 0;",
        f"{KERNELS} -k test_optimizers",
    ),
    Fault(
        "numbers beyond the end",
        "random.cu",
        "i < numbers && block * numbers + i < n;",
        "i < numbers;",
        f"{KERNELS} -k test_random_numbers",
    ),
    Fault(
        "a block of Philox for two numbers",
        "random.cu",
        "state.offset + uint64_t(i / 4));\n    store_truth",
        "state.offset + uint64_t(i / 2));\n    store_truth",
        f"{KERNELS} -k test_random_numbers",
    ),
    Fault(
        "more threads than the kernel's launch bound",
        "random.cu",
        "kernels::randint<<<blocks_for(n), block_threads, 0",
        "kernels::randint<<<blocks_for(n), 2 * block_threads, 0",
        f"{KERNELS} -k test_random_integers",
    ),
    Fault(
        "strides of the source for the target",
        "copy.cu",
        "to += place * plan.target_strides[d];",
        "to += place * plan.source_strides[d];",
        f"{KERNELS} -k test_copies",
    ),
    Fault(
        "one element too many is moved",
        "copy.cu",
        "i < plan.total; i += thread_count()) {\n    int64_t to, from;\n    place_of(plan, i, to, from);\n"
        "    *reinterpret_cast<Element*>(plan.target + to) = *",
        "i <= plan.total; i += thread_count()) {\n    int64_t to, from;\n    place_of(plan, i, to, from);\n"
        "    *reinterpret_cast<Element*>(plan.target + to) = *",
        f"{KERNELS} -k test_copies",
    ),
    Fault(
        "negative numbers are not true",
        "copy.cu",
        "if (dtype == boolean) return store(p, dtype, value != 0);\n    if (dtype == uint64",
        "if (dtype == boolean) return store(p, dtype, value > 0);\n    if (dtype == uint64",
        f"{KERNELS} -k every_dtype",
    ),
    Fault(
        "leading dimensions swapped",
        "matmul.cc",
        "leading_b, a, types.data, leading_a, types.beta, c, types.data,\n"
        "                                     leading_c",
        "leading_a, a, types.data, leading_b, types.beta, c, types.data,\n"
        "                                     leading_c",
        f"{KERNELS} -k test_products",
    ),
    Fault(
        "transposes swapped",
        "matmul.cc",
        "first = transposed(trans_b)",
        "first = transposed(trans_a)",
        f"{KERNELS} -k test_products",
    ),
    Fault(
        "a bias that is not added",
        "matmul.cc",
        "CUBLASLT_EPILOGUE_BIAS,",
        "CUBLASLT_EPILOGUE_DEFAULT,",
        f"{KERNELS} -k test_products",
    ),
    Fault(
        "sums of the other factor",
        "matmul.cc",
        "CUBLASLT_EPILOGUE_BGRADB,",
        "CUBLASLT_EPILOGUE_BGRADA,",
        f"{BACKENDS} -k weight_and_bias",
    ),
    Fault(
        "sums of columns for sums of rows",
        "matmul.cc",
        "trans_a ? Shape{lda, 1} : Shape{1, lda}",
        "trans_a ? Shape{1, lda} : Shape{lda, 1}",
        f"{BACKENDS} -k weight_and_bias",
    ),
    Fault(
        "an activation for the other",
        "matmul.cc",
        "CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_GELU_BIAS",
        "CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_RELU_BIAS",
        f"{BACKENDS} -k way_out",
    ),
    Fault(
        "gelu that depends on who computes it",
        "matmul.cc",
        "cpu::kernels::gelu_tanh",
        "cpu::kernels::gelu",
        f"{BACKENDS} -k way_out",
    ),
    Fault(
        "an algorithm that was chosen for another epilogue",
        "cublaslt.cc",
        "                p.epilogue,\n",
        "",
        f"{BACKENDS} -k way_out",
    ),
    Fault(
        "an algorithm that was chosen for another product",
        "cublaslt.cc",
        "                p.k,\n",
        "",
        f"{BACKENDS} -k bias",
    ),
    Fault(
        "a workspace that is smaller than was asked for",
        "cublaslt.cc",
        "int64_t(chosen->workspace)}",
        "int64_t(chosen->workspace / 2)}",
        f"{BACKENDS} -k bias",
    ),
    Fault(
        "an alignment that addresses do not have",
        "cublaslt.cc",
        "alignment_of(p.a));\n",
        "std::uint32_t(256));\n",
        f"{BACKENDS} -k bias",
    ),
    Fault(
        "TF32 that nobody allowed",
        "matmul.cc",
        "float32_matmul_precision == Float32Precision::highest",
        "float32_matmul_precision != Float32Precision::medium",
        f"{BACKENDS} -k tf32",
    ),
    Fault(
        "parts of sums rounded though they may not be",
        "matmul.cc",
        "!backends().allow_fp16_reduced_precision_reduction",
        "backends().allow_fp16_reduced_precision_reduction",
        f"{BACKENDS} -k parts",
    ),
    Fault(
        "an engine of tensor cores though it may not be used",
        "cudnn_plan.cc",
        "if (!choice.tensor_cores) return false;",
        "",
        f"{CUDNN} -k settings",
    ),
    Fault(
        "one channel's bias for all",
        "cudnn_convolution_plan.cc",
        "strides[1] = 1;\n    const GraphTensor& bias",
        "strides[1] = 0;\n    const GraphTensor& bias",
        f"{CUDNN} -k convolutions",
    ),
    Fault(
        "a relu that makes NaN 0",
        "cudnn_graph.cc",
        "CUDNN_PROPAGATE_NAN",
        "CUDNN_NOT_PROPAGATE_NAN",
        f"{CUDNN} -k convolutions",
    ),
    Fault(
        "norms of columns for norms of rows",
        "cudnn_norm_plan.cc",
        "{size, 1, size, size}",
        "{1, rows, size, size}",
        CUDNN_NORMS,
    ),
    Fault(
        "variances with epsilon", "norm.cu", "1 / (scale * scale) - eps)", "1 / (scale * scale))", CUDNN_NORMS
    ),
    Fault(
        "the slowest engine",
        "cudnn_execution.cc",
        "time < shortest)",
        "time > shortest || &candidate == plans.data())",
        f"{CUDNN} -k settings",
    ),
    Fault(
        "keys of another head",
        "cudnn_attention_plan.cc",
        "{s.batch, s.head, 1, s.row}",
        "{s.head, s.batch, 1, s.row}",
        f"{CUDNN} -k attention",
    ),
    Fault(
        "a query that sees no key with the sum of what it may not see",
        "attention_operands.cu",
        "a.mask && log_sum < 1.5f * least_bias",
        "a.mask && log_sum == -INFINITY",
        f"{CUDNN} -k attention",
    ),
    Fault(
        "sums without an order though results must be the same every time",
        "cudnn_attention.cc",
        "  if (backends().cudnn.deterministic || backends().deterministic_algorithms) return false;\n",
        "",
        f"{CUDNN} -k attention",
    ),
    Fault(
        "biases of the inputs for those of the states",
        "cudnn_recurrent.cc",
        "biases + part * hidden, hidden",
        "biases + part % gates * hidden, hidden",
        f"{RECURRENT} -k of_each_kind",
    ),
    Fault(
        "weights copied in one piece though cuDNN keeps them apart",
        "cudnn_recurrent.cc",
        " && last->place + last->bytes == next.place",
        "",
        f"{RECURRENT} -k of_each_kind",
    ),
    Fault(
        "gradients of weights added to what lay there",
        "cudnn_recurrent.cc",
        "check_cuda(cudaMemsetAsync(dweights.data(), 0, weight_bytes, runtime().stream_in_use()),",
        "check_cuda(cudaSuccess,",
        f"{RECURRENT} -k of_each_kind",
    ),
    Fault(
        "weights copied on another stream",
        "cudnn_recurrent.cc",
        "cudaMemcpyDeviceToDevice, runtime().stream_in_use()",
        "cudaMemcpyDeviceToDevice, nullptr",
        f"{RECURRENT} -k streams",
    ),
    Fault(
        "one network for all types",
        "cudnn_recurrent.cc",
        "int64_t(layers.dtype),",
        "0,",
        f"{RECURRENT} -k of_each_kind",
    ),
    Fault(
        "a network recorded as a graph though it never ran with these sizes",
        "cudnn_recurrent.cc",
        "    if (is_recording() && !network->met.count(sizes(layers, has_backward))) return;\n",
        "",
        f"{RECURRENT} -k graphs",
    ),
    Fault(
        "memory for inference only, and none for the gradient",
        "cudnn_recurrent.cc",
        "has_backward ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE;",
        "CUDNN_FWD_MODE_INFERENCE;",
        f"{RECURRENT} -k of_each_kind",
    ),
    Fault(
        "recurrent products in TF32 whatever the setting",
        "cudnn_recurrent_descriptors.cc",
        "CUDNN_FMA_MATH",
        "CUDNN_DEFAULT_MATH",
        f"{RECURRENT} -k precision",
    ),
    Fault(
        "states as wide as cells",
        "cudnn_recurrent_descriptors.cc",
        "describe_states(h, layers, layers.outputs)",
        "describe_states(h, layers, layers.hidden)",
        f"{RECURRENT} -k of_each_kind",
    ),
    Fault(
        "a recurrent network that may differ though results must be the same every time",
        "cudnn_recurrent.cc",
        "(backends().cudnn.deterministic || backends().deterministic_algorithms)",
        "backends().cudnn.deterministic",
        f"{RECURRENT} -k settings",
    ),
    Fault(
        "dimensions merged though their elements are apart",
        "jit.cc",
        "operands[k].strides[d] == a.strides",
        "operands[k].strides[d] >= a.strides",
        f"{JIT} -k layout",
    ),
    Fault(
        "a result in the place of an operand",
        "pointwise_source.cc",
        "element(outputs + k, dtype), ",
        "element(k, dtype), ",
        f"{JIT} -k values",
    ),
    Fault(
        "a kernel of other dtypes",
        "jit.cc",
        "formula.inputs.push_back(x.dtype)",
        "formula.inputs.push_back(call.common)",
        f"{JIT} -k promote",
    ),
    Fault(
        "the real part of a value for its imaginary part",
        "jit.cc",
        "value.real[1] = number.imag()",
        "value.real[1] = number.real()",
        f"{JIT} -k with_values",
    ),
    Fault(
        "strides of a batch swapped",
        "matmul.cc",
        "leading_b, stride_b, a, types.data, leading_a, stride_a",
        "leading_b, stride_a, a, types.data, leading_a, stride_b",
        f"{KERNELS} -k test_batched_products",
    ),
    Fault(
        "16-bit numbers as the other 16-bit type",
        "matmul.cc",
        "set<float>(CUDA_R_16F,",
        "set<float>(CUDA_R_16BF,",
        f"{KERNELS} -k test_products",
    ),
    Fault(
        "a library that works on another stream",
        "cublas.cc",
        'runtime().stream_in_use()), "matmul"',
        'nullptr), "matmul"',
        f"{RUNTIME} -k products",
    ),
    Fault(
        "memory freed before another stream is done",
        "runtime.cc",
        "    for (const Stream& other : others) home.wait(other);\n",
        "",
        f"{RUNTIME} -k test_memory_freed",
    ),
    Fault(
        "memory freed on another stream",
        "runtime.cc",
        "cudaFreeAsync(memory, handle_of(home));",
        "cudaFreeAsync(memory, nullptr);",
        f"{RUNTIME} -k test_memory_of_a_stream",
    ),
    Fault(
        "main memory read before a copy is done",
        "runtime.cc",
        "  if (to.is_cpu()) check_fault(device, handle_of(stream));\n  else wait_for(stream);",
        "  if (from.is_cpu()) wait_for(stream);",
        f"{RUNTIME} -k test_copies_from",
    ),
    Fault(
        "a stream that does not wait for an event",
        "runtime.cc",
        "  check_cuda(cudaStreamWaitEvent(handle_of(stream), static_cast<cudaEvent_t>(event), 0),\n"
        '             "waiting for an event");\n',
        "  (void)event;\n",
        f"{RUNTIME} -k test_work_on_streams",
    ),
    Fault(
        "an operand of another dtype read as it is",
        "elementwise.cc",
        "!reads(compute, inputs[k].dtype)) {",
        "false) {",
        f"{KERNELS} -k test_elementwise",
    ),
    Fault(
        "vectors at addresses that are not multiples of their size",
        "elementwise.cc",
        "% (4 * bytes) == 0",
        "% bytes == 0",
        f"{KERNELS} -k test_elementwise",
    ),
    Fault(
        "a tail that is one longer",
        "elementwise.cuh",
        "if (i >= plan.total) return;",
        "if (i > plan.total) return;",
        f"{KERNELS} -k test_elementwise",
        "mathematics.cu",
    ),
    Fault(
        "no barrier before partial sums are read",
        "reduce.cu",
        "  shared[threadIdx.x] = mine;\n  __syncthreads();",
        "  shared[threadIdx.x] = mine;",
        f"{KERNELS} -k test_reductions",
    ),
    Fault(
        "partial results of blocks in each other's place",
        "reduce.cu",
        "[output * plan.splits + split] = partial;",
        "[output + split] = partial;",
        f"{KERNELS} -k test_reductions",
    ),
]


def command_of(build, source):
    """How the build compiles a source, without what names its output."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if Path(entry["file"]) == ROOT / "cuda" / source:
            words = shlex.split(entry["command"])
            return words[: words.index("-c")]
    sys.exit(f"cuda/{source} is not in {build}/compile_commands.json")


def compile_with(fault, build, folder):
    """The object of the fault's source, with the fault."""
    text = (ROOT / "cuda" / fault.file).read_text()
    if text.count(fault.old) != 1:
        sys.exit(f"cuda/{fault.file} has {text.count(fault.old)} times, not once: {fault.old!r}")
    (folder / "cuda").mkdir()
    (folder / "cuda" / fault.file).write_text(text.replace(fault.old, fault.new))
    source = fault.compiled or fault.file
    at = folder / "cuda" / source
    if not at.exists():
        at.write_text((ROOT / "cuda" / source).read_text())
    words = command_of(build, source)
    words.insert(1, f"-I{folder}")  # before the folder of the sources without the fault
    words = [re.sub(r"code=\[.*?\]", "code=compute_80", word) for word in words]
    # The host's code need not be fast, and a fault may leave a variable unused.
    words = [word for word in words if "all-warnings" not in word and word not in ("-Werror", "-O3", "-O2")]
    subprocess.run([*words, "-w", "-c", at, "-o", folder / "faulty.o"], cwd=build, check=True)
    return folder / "faulty.o"


def link(build, folder, source, faulty):
    objects = build / "cuda/CMakeFiles/taper_cuda.dir"
    rest = [path for path in objects.glob("*.o") if path.name != f"{source}.o"]
    library = folder / "libtaper_cuda.so"
    simulated = build / "tests/device_sim/lib"
    run_times = [
        str(next(simulated.glob(f"lib{name}.so.[0-9]*"))) for name in ("cudart", "cublas", "cublasLt")
    ]
    subprocess.run(
        ["c++", "-shared", "-o", library, faulty, *rest, f"-L{build}", "-ltaper", *run_times], check=True
    )
    return library


def run_test(test, build, library=None):
    """Whether the test passed, and its first line that tells why not."""
    file, *chosen = shlex.split(test)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "python"),
        "DEVICE_SIM_LIBRARIES": str(build / "tests/device_sim/lib"),
    }
    if library:
        environment["TAPER_CUDA_LIBRARY"] = str(library)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        f"{HERE}/{file}",
        *chosen,
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode not in (0, 1):
        return False, f"pytest ended with {done.returncode}"
    if done.returncode == 0 and " passed" not in done.stdout:
        sys.exit(f"{test} runs nothing:\n{done.stdout}")
    lines = [line[1:].strip() for line in done.stdout.splitlines() if line.startswith("E ")]
    telling = [line for line in lines if re.search(r"\w", line)]
    found = [
        line for line in telling if re.search(r"race|bounds|uninit|misaligned|barrier|illegal|free", line)
    ]
    return done.returncode == 0, (found or telling or [""])[0]


def find(fault, build):
    """What found the fault; None where nothing did."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faulty = compile_with(fault, build, folder)
        library = link(build, folder, fault.compiled or fault.file, faulty)
        passed, why = run_test(fault.test, build, library)
    return None if passed else why


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [
        f for f in FAULTS if not options.names or any(n in f.file or n in f.what for n in options.names)
    ]
    for test in dict.fromkeys(fault.test for fault in chosen):
        passed, why = run_test(test, options.build)
        if not passed:
            sys.exit(f"{test} fails without a fault: {why}")
    missed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for fault, why in zip(chosen, pool.map(lambda fault: find(fault, options.build), chosen)):
            missed += why is None
            verdict = "MISSED" if why is None else "found"
            print(f"{verdict:7}{fault.file}: {fault.what}: {why or ''}"[:200], flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} faults were found")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
