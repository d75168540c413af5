// Running totals: panels of columns, or single lines, are read into working types, scanned and written back.
#include "cpu/scan.h"

#include <algorithm>

#include "cpu/load.h"
#include "cpu/parallel.h"
#include "cpu/scan_kernels.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
constexpr int64 panel_elements = 2048;
constexpr int64 task_elements = 32768;

/// What is read, and what is written.
struct End {
  char* data;
  DType dtype;
  Wide wide;
  int64 item, wide_item;

  End(const void* data, DType dtype, Wide wide)
      : data(static_cast<char*>(const_cast<void*>(data))),
        dtype(dtype),
        wide(wide),
        item(item_size(dtype)),
        wide_item(wide_size(wide)) {}
  bool needs_no_conversion() const { return dtype == wide_dtype(wide); }
};

struct Job {
  const ScanKernel* kernel;
  End in, out;
  Load load;
  Store store;
  int64* places;
  int64 n, inner;
};

/// Scans `width` neighbouring columns of a matrix [n, inner], some rows at a time.
void scan_columns(const Job& job, int64 outer, int64 column, int64 width) {
  alignas(64) char in[panel_elements * 16], out[panel_elements * 16], state[scan_piece * 16];
  int64 places[panel_elements];
  const bool line = job.inner == 1, dense = width == job.inner;
  const bool read_direct = dense && job.in.needs_no_conversion(),
             write_direct = dense && job.out.needs_no_conversion();
  const int64 rows_at_once = line ? scan_piece : panel_elements / width;
  const int64 step = dense ? width : job.inner;  // from a row to the next in x and y
  job.kernel->start(width, state);
  for (int64 row = 0; row < job.n; row += rows_at_once) {
    const int64 rows = std::min(rows_at_once, job.n - row), at = (outer * job.n + row) * job.inner + column;
    const int64 runs = dense ? 1 : rows, run = dense ? rows * width : width;
    const char* x = job.in.data + at * job.in.item;
    char* y = job.out.data + at * job.out.item;
    for (int64 k = 0; k < runs && !read_direct; ++k) {
      job.load(x + k * step * job.in.item, 1, run, in + k * width * job.in.wide_item);
    }
    const void* source = read_direct ? x : in;
    void* target = write_direct ? y : out;
    if (line) job.kernel->line(source, rows, row, state, target, places);
    else job.kernel->panel(source, rows, width, row, state, target, places);
    for (int64 k = 0; k < runs && !write_direct; ++k) {
      job.store(out + k * width * job.out.wide_item, run, y + k * step * job.out.item, 1);
    }
    for (int64 k = 0; k < runs && job.places; ++k)
      std::copy_n(places + k * width, run, job.places + at + k * step);
  }
}

/// The working type of integers is one of two; sums are the same in both.
Wide working_type(Scan scan, DType dtype) {
  const Wide wide = widen(dtype);
  return wide == Wide::u64 && scan < Scan::max ? Wide::i64 : wide;
}

void run(const char* op, Scan scan, const void* x, DType dtype, int64 outer, int64 n, int64 inner, void* y,
         DType output, int64* places) {
  const Wide wide = working_type(scan, dtype);
  const Wide result = wide == Wide::f32 && scan < Scan::max ? Wide::f64 : wide;
  const ScanKernel* kernel = find_scan_kernel(scan, wide);
  check<DTypeError>(kernel, op, ": not defined for ", dtype);
  const Job job{kernel,
                {x, dtype, wide},
                {y, output, result},
                find_load(dtype, wide),
                find_store(result, output),
                places,
                n,
                inner};
  const int64 widest = std::min(inner, scan_piece), blocks = inner ? (inner + widest - 1) / widest : 0;
  const int64 grain = std::max<int64>(1, task_elements / std::max<int64>(1, n * widest));
  parallel_for(n ? outer * blocks : 0, grain, [&](int64 begin, int64 end) {
    for (int64 task = begin; task < end; ++task) {
      const int64 column = task % blocks * widest;
      scan_columns(job, task / blocks, column, std::min(widest, inner - column));
    }
  });
}

}  // namespace

void cumsum(const void* x, DType dtype, int64 outer, int64 n, int64 inner, void* y, DType output) {
  run("cumsum", Scan::sum, x, dtype, outer, n, inner, y, output, nullptr);
}

void cumprod(const void* x, DType dtype, int64 outer, int64 n, int64 inner, void* y, DType output) {
  run("cumprod", Scan::product, x, dtype, outer, n, inner, y, output, nullptr);
}

void logcumsumexp(const void* x, DType dtype, int64 outer, int64 n, int64 inner, void* y, DType output) {
  run("logcumsumexp", Scan::log_sum_exp, x, dtype, outer, n, inner, y, output, nullptr);
}

void cummax(const void* x, DType dtype, int64 outer, int64 n, int64 inner, void* y, int64* indices) {
  run("cummax", Scan::max, x, dtype, outer, n, inner, y, dtype, indices);
}

void cummin(const void* x, DType dtype, int64 outer, int64 n, int64 inner, void* y, int64* indices) {
  run("cummin", Scan::min, x, dtype, outer, n, inner, y, dtype, indices);
}

}  // namespace taper::cpu
