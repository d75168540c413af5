// Plans an elementwise loop once (drop, sort and merge dimensions) and runs its kernel over runs or converted
// blocks.
#include "cpu/map.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cpu/convert.h"
#include "cpu/loop.h"
#include "cpu/parallel.h"
#include "taper/error.h"

namespace taper::cpu {

DType compute_dtype(DType dtype) {
  switch (kind(dtype)) {
    case Kind::boolean: return uint64;
    case Kind::integral: return is_signed(dtype) ? int64 : uint64;
    case Kind::floating: return dtype == float64 ? float64 : float32;
    default: return complex128;
  }
}

namespace {

// Elements that one thread takes at least: below, waking another costs more than it saves.
constexpr std::int64_t grain = 32768;
// Each operand's converted block: four of them fit in the first-level cache.
constexpr std::int64_t block_bytes = 4096;
// Innermost dimensions shorter than this are not worth a run.
constexpr std::int64_t least_run = 8;

struct Choice {
  Run run;
  DType compute;
};

Choice choose(const Kernel& kernel, DType common) {
  switch (common) {
    case boolean:
      if (kernel.boolean) return {kernel.boolean, boolean};
      break;
    case uint8:
      if (kernel.u8) return {kernel.u8, uint8};
      break;
    case int32:
      if (kernel.i32) return {kernel.i32, int32};
      break;
    case complex64:
      if (kernel.c64) return {kernel.c64, complex64};
      break;
    default: break;
  }
  switch (compute_dtype(common)) {
    case float32: return {kernel.f32, float32};
    case float64: return {kernel.f64, float64};
    case int64: return {kernel.i64, int64};
    case uint64: return {kernel.u64, uint64};
    default: return {kernel.c128, complex128};
  }
}

DType result_dtype(const Kernel& kernel, DType compute) {
  if (kernel.predicate) return boolean;
  if (kernel.real_output) return real_dtype(compute);
  return kernel.complex_output ? complex_dtype(compute) : compute;
}

// What one map call computes with; the operands' places are in Loop.
struct Job {
  Run run;
  DType common, result;
  DType compute[max_inputs];  // what input i is converted to
  DType dtypes[max_inputs];   // what it is stored as
  DType output;
  int count;
  bool direct;  // nothing is to be converted
  const void* attributes;
};

Job make_job(const Kernel& kernel, const Operand* inputs, int count, DType common, const Operand& output,
             const void* attributes) {
  const Choice choice = choose(kernel, common);
  check<DTypeError>(choice.run != nullptr, kernel.name, ": not implemented for ", common);
  Job job{choice.run, common,    result_dtype(kernel, choice.compute), {}, {}, output.dtype, count,
          true,       attributes};
  for (int i = 0; i < count; ++i) {
    job.compute[i] = kernel.condition && i == 0 ? boolean : choice.compute;
    job.dtypes[i] = inputs[i].dtype;
    job.direct &= job.compute[i] == inputs[i].dtype;
  }
  job.direct &= job.result == output.dtype;
  return job;
}

// True if the value is rounded twice on the way to what is computed: stored as an int64, promoted to float16,
// computed in float32.
bool rounds_through_common(DType stored, DType common, DType compute) {
  return stored != common && common != compute && kind(common) >= Kind::floating && compute != boolean;
}

// n values of input i, to where they are computed, target_stride bytes apart.
void load(const Job& job, int i, const char* source, std::int64_t stride, char* target,
          std::int64_t target_stride, std::int64_t n) {
  const DType stored = job.dtypes[i], compute = job.compute[i];
  if (!rounds_through_common(stored, job.common, compute))
    return convert_run(stored, source, stride, compute, target, target_stride, n);
  char rounded[block_bytes];
  const std::int64_t step = item_size(job.common);
  const std::int64_t most = block_bytes / step;
  for (; n > 0; n -= most, source += most * stride, target += most * target_stride) {
    const std::int64_t m = std::min(n, most);
    convert_run(stored, source, stride, job.common, rounded, step, m);
    convert_run(job.common, rounded, step, compute, target, target_stride, m);
  }
}

// Steps through the elements [begin, end) of the loop, handing each block to the kernel. Operand 0 is the
// output.
class Blocks {
 public:
  Blocks(const Job& job, const Loop& loop, std::int64_t begin)
      : job_(job), loop_(loop), read_(loop, begin), write_(loop, begin) {
    std::int64_t widest = item_size(job.result);
    for (int i = 0; i < job.count; ++i) widest = std::max(widest, item_size(job.compute[i]));
    block_ = block_bytes / widest;
    whole_runs_ = job.direct && loop.sizes[0] >= least_run && loop.strides[0][0] == item_size(job.output);
    for (int i = 0; i < job.count; ++i) {
      const std::int64_t stride = loop.strides[i + 1][0];
      whole_runs_ &= stride == 0 || stride == item_size(job.compute[i]);
    }
  }

  void run(std::int64_t n) {
    while (n > 0) {
      const std::int64_t m = std::min(n, whole_runs_ ? read_.run_left() : block_);
      one_block(m);
      n -= m;
    }
  }

 private:
  void one_block(std::int64_t m) {
    const void* in[max_inputs];
    int steps[max_inputs];
    bool gather[max_inputs];
    const bool one_run = m <= read_.run_left();
    bool any = false;
    for (int i = 0; i < job_.count; ++i) {
      const std::int64_t stride = loop_.strides[i + 1][0];
      const std::int64_t size = item_size(job_.compute[i]);
      const bool in_place = one_run && job_.dtypes[i] == job_.compute[i] && (stride == 0 || stride == size);
      gather[i] = !in_place;
      any |= gather[i];
      in[i] = in_place ? read_.at[i + 1] : buffers_[i + 1];
      steps[i] = !in_place || stride != 0;
    }
    if (any) gather_block(m, gather);
    else read_.advance(m);
    const bool straight =
        m <= write_.run_left() && job_.result == job_.output && loop_.strides[0][0] == item_size(job_.output);
    job_.run(in, steps, straight ? static_cast<void*>(write_.at[0]) : buffers_[0], m, job_.attributes);
    if (straight) write_.advance(m);
    else scatter_block(m);
  }

  void gather_block(std::int64_t m, const bool* gather) {
    for (std::int64_t got = 0; got < m;) {
      const std::int64_t k = std::min(m - got, read_.run_left());
      for (int i = 0; i < job_.count; ++i) {
        if (!gather[i]) continue;
        const std::int64_t size = item_size(job_.compute[i]);
        load(job_, i, read_.at[i + 1], loop_.strides[i + 1][0], buffers_[i + 1] + got * size, size, k);
      }
      got += k;
      read_.advance(k);
    }
  }

  void scatter_block(std::int64_t m) {
    const std::int64_t size = item_size(job_.result);
    for (std::int64_t put = 0; put < m;) {
      const std::int64_t k = std::min(m - put, write_.run_left());
      convert_run(job_.result, buffers_[0] + put * size, size, job_.output, write_.at[0], loop_.strides[0][0],
                  k);
      put += k;
      write_.advance(k);
    }
  }

  const Job& job_;
  const Loop& loop_;
  Walk read_, write_;
  std::int64_t block_;
  bool whole_runs_;
  alignas(64) char buffers_[max_inputs + 1][block_bytes];
};

// Steps through the elements [begin, end) of a loop whose dimensions 0 and 1 are a tile; begin and end are
// whole tiles. Inputs that are dense along dimension 1 are turned into a buffer, then the kernel runs over
// the tile's rows.
class Tiles {
 public:
  Tiles(const Job& job, const Loop& loop, std::int64_t begin) : job_(job), loop_(loop), walk_(loop, begin) {}

  void run(std::int64_t n) {
    const std::int64_t columns = loop_.sizes[0], rows = loop_.sizes[1];
    for (; n > 0; n -= rows * columns) {
      one_tile(rows, columns);
      for (std::int64_t r = 0; r < rows; ++r) walk_.advance(columns);
    }
  }

 private:
  void one_tile(std::int64_t rows, std::int64_t columns) {
    const void* in[max_inputs];
    int steps[max_inputs];
    std::int64_t next[max_inputs];
    for (int i = 0; i < job_.count; ++i) {
      const std::int64_t size = item_size(job_.compute[i]), stride = loop_.strides[i + 1][0];
      const bool in_place = job_.dtypes[i] == job_.compute[i] && (stride == 0 || stride == size);
      if (!in_place) gather(i, rows, columns);
      in[i] = in_place ? walk_.at[i + 1] : buffers_[i + 1];
      next[i] = in_place ? loop_.strides[i + 1][1] : columns * size;
      steps[i] = !in_place || stride != 0;
    }
    const std::int64_t stride = loop_.strides[0][0], size = item_size(job_.result);
    const bool straight = job_.result == job_.output && stride == size;
    for (std::int64_t r = 0; r < rows; ++r) {
      char* out = walk_.at[0] + r * loop_.strides[0][1];
      job_.run(in, steps, straight ? out : buffers_[0], columns, job_.attributes);
      if (!straight) convert_run(job_.result, buffers_[0], size, job_.output, out, stride, columns);
      for (int i = 0; i < job_.count; ++i) in[i] = static_cast<const char*>(in[i]) + next[i];
    }
  }

  // Memory is read along the dimension in which it is denser: a row of a tile may be lines that all fall into
  // the same set of the cache.
  void gather(int i, std::int64_t rows, std::int64_t columns) {
    const std::int64_t size = item_size(job_.compute[i]);
    const std::int64_t along = loop_.strides[i + 1][0], across = loop_.strides[i + 1][1];
    const char* source = walk_.at[i + 1];
    char* target = buffers_[i + 1];
    if (along != 0 && std::abs(across) < std::abs(along)) {
      for (std::int64_t c = 0; c < columns; ++c)
        load(job_, i, source + c * along, across, target + c * size, columns * size, rows);
    } else {
      for (std::int64_t r = 0; r < rows; ++r)
        load(job_, i, source + r * across, along, target + r * columns * size, size, columns);
    }
  }

  const Job& job_;
  const Loop& loop_;
  Walk walk_;
  alignas(64) char buffers_[max_inputs + 1][block_bytes];
};

template <class Steps>
void run_loop(const Job& job, const Loop& loop) {
  if (loop.total <= grain) return Steps(job, loop, 0).run(loop.total);
  parallel_for(loop.total, grain,
               [&](std::int64_t begin, std::int64_t end) { Steps(job, loop, begin).run(end - begin); });
}

// What is gathered of a tile is one block.
constexpr std::int64_t tile_rows = 32;

// The dimension along which an input is dense while it is strided along dimension 0; 0 if there is none.
int transposed_dimension(const Job& job, const Loop& loop) {
  if (loop.sizes[0] < tile_rows) return 0;
  for (int i = 0; i < job.count; ++i) {
    const std::int64_t size = item_size(job.dtypes[i]), stride = loop.strides[i + 1][0];
    if (stride == 0 || stride == size) continue;
    for (int d = 1; d < loop.dims; ++d)
      if (loop.strides[i + 1][d] == size && loop.sizes[d] >= tile_rows) return d;
  }
  return 0;
}

void run_tiles(const Job& job, const Loop& loop, int other) {
  std::int64_t widest = item_size(job.result);
  for (int i = 0; i < job.count; ++i) widest = std::max(widest, item_size(job.compute[i]));
  const std::int64_t columns = std::min(tile_rows, block_bytes / widest / tile_rows);
  const std::int64_t whole_rows = loop.sizes[other] / tile_rows * tile_rows;
  const std::int64_t whole_columns = loop.sizes[0] / columns * columns;
  const Loop rows = loop.part(other, 0, whole_rows);
  Loop tiles = rows.part(0, 0, whole_columns);
  tiles.split(other, tile_rows, 0);
  tiles.split(1, columns, 0);
  run_loop<Tiles>(job, tiles);
  if (whole_columns < loop.sizes[0])
    run_loop<Blocks>(job, rows.part(0, whole_columns, loop.sizes[0] - whole_columns));
  if (whole_rows < loop.sizes[other])
    run_loop<Blocks>(job, loop.part(other, whole_rows, loop.sizes[other] - whole_rows));
}

// Dimension 0 is short: blocks run along another one, over all of dimension 0, so that what dimension 0 makes
// adjacent is still in the cache when its turn comes.
void run_across(const Job& job, const Loop& loop, int other) {
  constexpr std::int64_t length = 128;
  const std::int64_t whole = loop.sizes[other] / length * length;
  if (whole > 0) {
    Loop blocks = loop.part(other, 0, whole);
    blocks.split(other, length, 0);
    run_loop<Blocks>(job, blocks);
  }
  if (whole == loop.sizes[other]) return;
  Loop rest = loop.part(other, whole, loop.sizes[other] - whole);
  rest.move(other, 0);
  run_loop<Blocks>(job, rest);
}

[[gnu::noinline]] void map_strided(const Job& job, const Shape& sizes, const Operand* inputs,
                                   const Operand& output) {
  const Operand* operands[max_inputs + 1] = {&output};
  for (int i = 0; i < job.count; ++i) operands[i + 1] = &inputs[i];
  const Loop loop(sizes, operands, job.count + 1);
  if (loop.dims == 1 || loop.total < 1024 || loop.dims + 2 > Loop::max_dims)
    return run_loop<Blocks>(job, loop);
  if (const int other = transposed_dimension(job, loop)) return run_tiles(job, loop, other);
  const int longest = int(std::max_element(loop.sizes, loop.sizes + loop.dims) - loop.sizes);
  if (loop.sizes[0] < least_run && longest > 0) return run_across(job, loop, longest);
  run_loop<Blocks>(job, loop);
}

void map_dense(const Job& job, const void* const* in, const int* steps, void* output, std::int64_t n) {
  if (n <= grain) return job.run(in, steps, output, n, job.attributes);
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const void* from[max_inputs];
    for (int i = 0; i < job.count; ++i)
      from[i] = static_cast<const char*>(in[i]) + (steps[i] ? begin * item_size(job.compute[i]) : 0);
    char* to = static_cast<char*>(output) + begin * item_size(job.result);
    job.run(from, steps, to, end - begin, job.attributes);
  });
}

enum class Layout { dense, scalar, other };

// Whether the elements follow one another in row-major order, or are all the same one.
Layout layout(const Shape& sizes, const std::int64_t* strides) {
  bool dense = true, scalar = true;
  std::int64_t expected = 1;
  for (int i = sizes.size() - 1; i >= 0; --i) {
    if (sizes[i] == 1) continue;
    dense &= strides[i] == expected;
    scalar &= strides[i] == 0;
    expected *= sizes[i];
  }
  return dense ? Layout::dense : scalar ? Layout::scalar : Layout::other;
}

}  // namespace

bool supports(const Kernel& kernel, DType common) { return choose(kernel, common).run != nullptr; }

void map(const Kernel& kernel, const Shape& sizes, const Operand* inputs, int count, DType common,
         const Operand& output, const void* attributes) {
  const Job job = make_job(kernel, inputs, count, common, output, attributes);
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) n *= size;
  if (n == 0) return;
  if (!job.direct || layout(sizes, output.strides) != Layout::dense)
    return map_strided(job, sizes, inputs, output);
  const void* in[max_inputs];
  int steps[max_inputs];
  for (int i = 0; i < count; ++i) {
    const Layout how = layout(sizes, inputs[i].strides);
    if (how == Layout::other) return map_strided(job, sizes, inputs, output);
    in[i] = inputs[i].data;
    steps[i] = how == Layout::dense;
  }
  map_dense(job, in, steps, output.data, n);
}

}  // namespace taper::cpu
