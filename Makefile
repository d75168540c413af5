# The tasks of Taper's developers and first-time visitors. `make demo` trains a network; `make test` checks everything.
SHELL := bash
JOBS ?= $(shell nproc)
PREFIX ?= build/install
CMAKE_OPTIONS ?=
VENV := $(CURDIR)/.venv
# cmake and ninja come from .venv where the system's are too old.
export PATH := $(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(VENV)
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

CXX_FILES = git ls-files 'include/*.h' 'src/*.h' 'src/*.cc' 'python/bindings/*.h' 'python/bindings/*.cc' \
            'tests/cpp/*.h' 'tests/cpp/*.cc' 'tests/guarded/*.cc' 'tests/device_sim/*.h' 'tests/device_sim/*.cc' \
            'tests/device_sim/*.cu' 'examples/cpp/*.cc' 'benchmarks/cpp/*.h' 'benchmarks/cpp/*.cc'

.PHONY: setup build test test-guarded test-device-sim mutation-check demo install bench bench-cpp format methods tidy \
        sanitize clean

setup:
	@scripts/setup.sh

build: setup
	@cmake --preset release --log-level=WARNING -DTAPER_FETCH=ON $(CMAKE_OPTIONS)
	@cmake --build --preset release

# Each runner prints its own summary; one failure does not hide the others.
test: build
	@status=0; \
	python tests/check_floors.py || status=1; \
	ctest --test-dir build --output-on-failure || status=1; \
	python -m pytest -q tests/python || status=1; \
	exit $$status

# The Python tests, a process each, over an allocator in which a read or a write outside of a tensor ends the process.
test-guarded: TESTS = $(wildcard tests/python/test_*.py)
test-guarded: build
	@cmake --build build --target taper_guarded
	@status=0; \
	for file in $(TESTS); do \
	  echo $$file; \
	  LD_PRELOAD=$(CURDIR)/build/tests/guarded/libtaper.so.0 python -X faulthandler -m pytest -q $$file || status=1; \
	done; \
	exit $$status

# The CUDA backend on a simulated device; needs nvcc, and no GPU. docs/cuda_testing.md tells what it proves.
test-device-sim: build
	@ctest --test-dir build --output-on-failure -R device_sim

# Each planted fault is found: those in the programs for the checks, and those in the backend's own sources.
mutation-check: build
	@build/tests/device_sim/device_sim_tests --gtest_filter='*PlantedFault*:ProgramsWithoutFaults*:HostAccess*'
	@python tests/device_sim/mutations.py --jobs $(JOBS)

install: build
	@cmake --install build --prefix $(PREFIX) >/dev/null

# The wheel is compiled by the build's compiler under the same name, so that ccache has it all.
demo: install
	@CXX=$$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' build/CMakeCache.txt) \
	  python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
	  --config-settings=cmake.define.TAPER_FETCH=ON '.[examples]'
	@cmake -S examples/cpp -B build/examples -G Ninja -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_PREFIX_PATH=$(abspath $(PREFIX)) --log-level=WARNING
	@cmake --build build/examples
	@mkdir -p build/demo
	@cd build/demo && ../examples/mnist ../../examples/data/mnist5k.npz
	@python examples/python/mnist.py --out build/demo

# BENCH holds options, as --vs torch,tensorflow --python torch=/path/to/its/python.
bench: build
	@PYTHONPATH=python python -m benchmarks $(BENCH)

# The C++ interface, beside libtorch's where LIBTORCH names its folder, as site-packages/torch is one.
bench-cpp: install
	@cmake -S benchmarks/cpp -B build/benchmarks/cpp -G Ninja -DCMAKE_BUILD_TYPE=Release \
	  "-DCMAKE_PREFIX_PATH=$(abspath $(PREFIX));$(LIBTORCH)" --log-level=STATUS
	@cmake --build build/benchmarks/cpp
	@PYTHONPATH=python python -m benchmarks.native

format:
	@$(CXX_FILES) | xargs clang-format -i
	@python -m ruff --version >/dev/null 2>&1 || python -m pip install --quiet 'ruff>=0.6'
	@git ls-files '*.py' | xargs python -m ruff format --quiet
	@python -m ruff check --fix --quiet

# The declarations and definitions of Tensor's methods, after a change of the operations.
methods:
	@python scripts/tensor_methods.py

tidy: build
	@git ls-files 'src/*.cc' | xargs -P $(JOBS) -n 4 clang-tidy -p build --quiet --extra-arg=-Wno-unknown-warning-option

# The interpreter, which has no checks itself, loads their libraries first. It never frees all it has, so leaks are not
# looked for. A block of more than 4 GiB is refused, as memory limits cannot be set on a process with a shadow.
sanitize: export ASAN_OPTIONS = detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096
sanitize: export UBSAN_OPTIONS = print_stacktrace=1
# Left out are tests of the stubs, and those that start an interpreter on the other build.
sanitize: TESTS = $(filter-out $(addprefix tests/python/test_,typing.py cuda.py host_device.py instruction_sets.py), \
                    $(wildcard tests/python/test_*.py))
sanitize: setup
	@cmake --preset sanitize --log-level=WARNING -DTAPER_FETCH=ON
	@cmake --build --preset sanitize
	@cd python && git ls-files taper | xargs cp --parents --target-directory=../build-sanitize/python
	@status=0; \
	build-sanitize/tests/taper_tests --gtest_brief=1 || status=1; \
	for file in $(TESTS); do \
	  echo $$file; \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so) \
	    $$(gcc -print-file-name=libstdc++.so)" \
	    python -m pytest -q -p no:cacheprovider -o pythonpath=build-sanitize/python $$file || status=1; \
	done; \
	exit $$status

clean:
	@rm -rf build build-debug build-sanitize dist python/taper/*.so
