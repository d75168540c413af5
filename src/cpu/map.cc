// Plans an elementwise loop once (drop, sort and merge dimensions) and runs its kernel over runs or converted
// blocks.
#include "cpu/map.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/visit.h"
#include "cpu/convert.h"
#include "cpu/loop.h"
#include "cpu/parallel.h"

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

void load(const Job& job, int i, const char* source, std::int64_t stride, char* target, std::int64_t n) {
  const DType stored = job.dtypes[i], compute = job.compute[i];
  const std::int64_t size = item_size(compute);
  if (!rounds_through_common(stored, job.common, compute))
    return convert_run(stored, source, stride, compute, target, size, n);
  char rounded[block_bytes];
  const std::int64_t step = item_size(job.common);
  const std::int64_t most = block_bytes / step;
  for (; n > 0; n -= most, source += most * stride, target += most * size) {
    const std::int64_t m = std::min(n, most);
    convert_run(stored, source, stride, job.common, rounded, step, m);
    convert_run(job.common, rounded, step, compute, target, size, m);
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
    whole_runs_ = job.direct && loop.sizes[0] >= 8 && loop.strides[0][0] == item_size(job.output);
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
      for (int i = 0; i < job_.count; ++i)
        if (gather[i])
          load(job_, i, read_.at[i + 1], loop_.strides[i + 1][0],
               buffers_[i + 1] + got * item_size(job_.compute[i]), k);
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

[[gnu::noinline]] void map_strided(const Job& job, const Shape& sizes, const Operand* inputs,
                                   const Operand& output) {
  const Operand* operands[max_inputs + 1] = {&output};
  for (int i = 0; i < job.count; ++i) operands[i + 1] = &inputs[i];
  const Loop loop(sizes, operands, job.count + 1);
  if (loop.total <= grain) return Blocks(job, loop, 0).run(loop.total);
  parallel_for(loop.total, grain,
               [&](std::int64_t begin, std::int64_t end) { Blocks(job, loop, begin).run(end - begin); });
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
