// Reductions: plans the loops over a strided input and feeds its pieces to the kernels of reduce_kernels.h.
#include "cpu/reduce.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <limits>
#include <memory>

#include "cpu/load.h"
#include "cpu/parallel.h"
#include "cpu/reduce_kernels.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
constexpr int max_dims = 64;
// The unit of parallel work, and of the tree that combines partial results.
constexpr int64 chunk_elements = 65536;
// What a kernel may pass over twice: half of the smallest first-level cache.
constexpr int64 piece_bytes = 16384;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Dim {
  int64 size, stride, out_stride;
};

/// Dimensions from the outermost to the innermost.
struct Dims {
  int count = 0;
  Dim dim[max_dims];

  int64 elements() const {
    int64 n = 1;
    for (int i = 0; i < count; ++i) n *= dim[i].size;
    return n;
  }
  void push(Dim d) {
    if (count && dim[count - 1].stride == d.stride * d.size &&
        dim[count - 1].out_stride == d.out_stride * d.size) {
      dim[count - 1] = {dim[count - 1].size * d.size, d.stride, d.out_stride};
    } else {
      dim[count++] = d;
    }
  }
  Dim take(int i) {
    const Dim taken = dim[i];
    std::copy(dim + i + 1, dim + count, dim + i);
    --count;
    return taken;
  }
};

/// Walks all positions of some dimensions in row-major order.
class Odometer {
 public:
  Odometer(const Dims& dims, int64 position) : dims_(dims) {
    for (int i = dims.count; i--;) {
      const Dim& d = dims.dim[i];
      index_[i] = position % d.size;
      position /= d.size;
      offset += index_[i] * d.stride;
      out += index_[i] * d.out_stride;
    }
  }
  void next() {
    for (int i = dims_.count; i--;) {
      const Dim& d = dims_.dim[i];
      offset += d.stride;
      out += d.out_stride;
      if (++index_[i] < d.size) return;
      offset -= d.stride * d.size;
      out -= d.out_stride * d.size;
      index_[i] = 0;
    }
  }
  int64 offset = 0, out = 0;

 private:
  const Dims& dims_;
  int64 index_[max_dims];
};

/// What the results are made of once all elements are folded.
enum class Finish : std::uint8_t { value, mean, variance, root, power_root, log_sum, place, value_and_place };

/// What to do with the numbers.
struct Request {
  const char* name;
  Reduce reduce;
  Finish finish;
  Reading reading = Reading::value;
  double parameter = 0;    // power or correction
  void* second = nullptr;  // means or indices
};

/// One call: the request, its functions, and how the loops lie.
struct Job : Request {
  explicit Job(const Request& request) : Request(request) {}

  const ReduceKernel* kernel = nullptr;
  Wide wide{};
  Load load = nullptr;
  Store store = nullptr, store_second = nullptr;
  bool dense_type = false;  // elements need no conversion

  const char* x = nullptr;
  char* y = nullptr;
  int64 item = 0, out_item = 0, second_item = 0;
  Dims kept, reduced;       // without the two that follow
  Dim inner{1, 1, 0};       // the innermost reduced dimension
  Dim columns{1, 0, 0};     // the kept dimension whose positions are worked on side by side
  int64 elements = 0;       // that make one result
  bool by_columns = false;  // many results side by side, their elements row by row
  bool by_rows = false;     // many results side by side, each a dense row of few elements

  /// Results that are worked on at once.
  int64 widest() const {
    const int64 most = by_rows && !dense_type ? 2 * piece_bytes / (elements * wide_size(wide)) : max_columns;
    return std::min({columns.size, max_columns, most});
  }
};

/// State memory: on the stack for one block of columns.
struct alignas(64) Block {
  char bytes[max_columns * 24];
};

bool is_arg(const Job& job) { return job.reduce == Reduce::arg_max || job.reduce == Reduce::arg_min; }

void plan_dims(const Reduction& r, Job& job) {
  Dims kept, reduced;
  int64 out_stride = 1;
  for (int i = r.sizes.size(); i--;) {
    const bool is_reduced = r.reduced >> i & 1;
    if (r.sizes[i] != 1) {
      Dims& dims = is_reduced ? reduced : kept;
      dims.dim[dims.count++] = {r.sizes[i], r.strides[i], is_reduced ? 0 : out_stride};
    }
    if (!is_reduced) out_stride *= r.sizes[i];
  }
  const auto outer_first = [](const Dim& a, const Dim& b) { return std::abs(a.stride) > std::abs(b.stride); };
  std::reverse(kept.dim, kept.dim + kept.count);
  std::reverse(reduced.dim, reduced.dim + reduced.count);
  std::stable_sort(kept.dim, kept.dim + kept.count, outer_first);
  if (!is_arg(job)) std::stable_sort(reduced.dim, reduced.dim + reduced.count, outer_first);
  for (int i = 0; i < kept.count; ++i) job.kept.push(kept.dim[i]);
  for (int i = 0; i < reduced.count; ++i) job.reduced.push(reduced.dim[i]);
  job.elements = job.reduced.elements();
  if (job.reduced.count) job.inner = job.reduced.take(job.reduced.count - 1);
}

/// Whether results are worked on side by side: where they lie closer together than what makes one of them, or
/// where each is made of few elements.
void choose_orientation(Job& job) {
  if (!job.kept.count) return;
  const Dim inner = job.inner, column = job.kept.dim[job.kept.count - 1];
  const int64 results = job.kept.elements();
  // Below this, a result of its own costs more than gathering many side by side (measured).
  const int64 few = is_arg(job) ? 128 : job.finish == Finish::variance ? 32 : 16;
  const bool rows_are_dense = column.stride == 1 && inner.stride == column.size && job.dense_type;
  if (std::abs(inner.stride) <= std::abs(column.stride)) {
    job.by_columns = job.elements < few && results > 1;
  } else {
    job.by_columns = column.size >= 4 || rows_are_dense || job.elements < few;
  }
  const bool short_row = job.elements * wide_size(job.wide) <= piece_bytes;
  job.by_rows = !job.by_columns && !job.reduced.count && inner.stride == 1 && short_row && results > 1;
  if (job.by_columns || job.by_rows) job.columns = job.kept.take(job.kept.count - 1);
}

/// Turns the state of `width` results of `count` elements each into numbers, in place.
void finish_state(const Job& job, int64 count, int64 width, void* state) {
  double* value = static_cast<double*>(state);
  switch (job.finish) {
    case Finish::value:
    case Finish::place:
    case Finish::value_and_place: return;
    case Finish::mean:
      for (int64 c = 0; c < width * (job.wide == Wide::c128 ? 2 : 1); ++c) value[c] /= double(count);
      return;
    case Finish::variance: {
      const double divisor = std::max(0., double(count) - job.parameter);
      double* distance = job.wide == Wide::c128 ? value + 2 * width : value + width;
      for (int64 c = 0; c < width; ++c) distance[c] /= divisor;
      return;
    }
    case Finish::root:
      for (int64 c = 0; c < width; ++c) value[c] = std::sqrt(value[c]);
      return;
    case Finish::power_root:
      for (int64 c = 0; c < width; ++c) value[c] = std::pow(value[c], 1 / job.parameter);
      return;
    case Finish::log_sum:
      for (int64 c = 0; c < width; ++c) value[c] += std::log(value[width + c]);
      return;
  }
}

void write_results(const Job& job, int64 out, int64 width, void* state) {
  finish_state(job, job.elements, width, state);
  const int64 stride = job.columns.out_stride;
  char* y = job.y + out * job.out_item;
  char* second = static_cast<char*>(job.second) + out * job.second_item;
  const char* bytes = static_cast<const char*>(state);
  const char* plane = bytes + width * (job.finish == Finish::variance && job.wide == Wide::c128 ? 16 : 8);
  switch (job.finish) {
    case Finish::place: job.store(plane, width, y, stride); return;
    case Finish::variance: job.store(plane, width, y, stride); break;
    default: job.store(bytes, width, y, stride);
  }
  if (!job.second) return;
  job.store_second(job.finish == Finish::variance ? bytes : plane, width, second, stride);
}

/// Feeds elements [begin, end) of one result to the kernel, dense piece by dense piece.
void fold_elements(const Job& job, const char* x, int64 begin, int64 end, void* state) {
  alignas(64) char buffer[piece_bytes];
  alignas(8) char later[24];
  const Dim inner = job.inner;
  const bool direct = job.dense_type && inner.stride == 1 && (inner.size >= 64 || !job.reduced.count);
  const int64 wide_item = wide_size(job.wide), room = piece_bytes / wide_item;
  const bool one_pass = job.finish != Finish::variance && job.finish != Finish::log_sum;
  Odometer place(job.reduced, begin / inner.size);
  int64 within = begin % inner.size;
  ReduceArguments arguments{begin, job.parameter};
  const auto advance = [&](int64 n) {
    within += n;
    if (within == inner.size) within = 0, place.next();
  };
  for (int64 i = begin; i < end;) {
    int64 n = std::min(inner.size - within, end - i);
    const char* piece = x + (place.offset + within * inner.stride) * job.item;
    if (direct) {
      n = one_pass ? n : std::min(n, room);
      advance(n);
    } else {
      int64 filled = 0;
      while (filled < room && i + filled < end) {
        const int64 run = std::min({inner.size - within, room - filled, end - i - filled});
        job.load(x + (place.offset + within * inner.stride) * job.item, inner.stride, run,
                 buffer + filled * wide_item);
        filled += run;
        advance(run);
      }
      piece = buffer;
      n = filled;
    }
    arguments.first = i;
    job.kernel->rows(piece, 1, n, n, arguments, i == begin ? state : later);
    if (i != begin) job.kernel->merge(state, i - begin, later, n, 1);
    i += n;
  }
}

/// Feeds rows [begin, end) of `width` neighbouring results to the kernel.
void fold_rows(const Job& job, const char* x, int64 width, int64 begin, int64 end, void* state) {
  alignas(64) char buffer[2 * piece_bytes];
  Block later;
  const Dim inner = job.inner;
  const bool direct = job.dense_type && job.columns.stride == 1;
  const int64 wide_item = wide_size(job.wide);
  const int64 most =
      direct ? std::max<int64>(64, piece_bytes / (width * wide_item)) : 2 * piece_bytes / (width * wide_item);
  Odometer place(job.reduced, begin / inner.size);
  int64 within = begin % inner.size;
  ReduceArguments arguments{begin, job.parameter};
  for (int64 row = begin; row < end;) {
    int64 rows = std::min(most, end - row), stride = width;
    const char* piece = buffer;
    if (direct) {
      rows = std::min(rows, inner.size - within);
      piece = x + (place.offset + within * inner.stride) * job.item;
      stride = inner.stride;
    }
    for (int64 k = 0; k < (direct ? 1 : rows); ++k) {
      if (!direct) {
        job.load(x + (place.offset + within * inner.stride) * job.item, job.columns.stride, width,
                 buffer + k * width * wide_item);
      }
      within += direct ? rows : 1;
      if (within == inner.size) within = 0, place.next();
    }
    arguments.first = row;
    job.kernel->columns(piece, rows, stride, width, arguments, row == begin ? state : later.bytes);
    if (row != begin) job.kernel->merge(state, row - begin, later.bytes, rows, width);
    row += rows;
  }
}

/// Reduces `width` neighbouring results that are dense rows.
void fold_whole_rows(const Job& job, const char* x, int64 width, void* state) {
  alignas(64) char buffer[2 * piece_bytes];
  const ReduceArguments arguments{0, job.parameter};
  const int64 bytes = job.elements * wide_size(job.wide);
  if (job.dense_type) return job.kernel->rows(x, width, job.columns.stride, job.elements, arguments, state);
  for (int64 row = 0; row < width; ++row) {
    job.load(x + row * job.columns.stride * job.item, 1, job.elements, buffer + row * bytes);
  }
  job.kernel->rows(buffer, width, job.elements, job.elements, arguments, state);
}

/// Partial results of all blocks of results: `chunks` states a block, combined as a tree in the order of
/// elements.
void combine(const Job& job, int64 chunks, int64 chunk, int64 width, int64 state_bytes, char* states) {
  const auto count = [&](int64 first, int64 n) {
    return std::min((first + n) * chunk, job.elements) - first * chunk;
  };
  for (int64 step = 1; step < chunks; step *= 2) {
    for (int64 c = 0; c + step < chunks; c += 2 * step) {
      job.kernel->merge(states + c * state_bytes, count(c, step), states + (c + step) * state_bytes,
                        count(c + step, step), width);
    }
  }
}

void run_by_elements(const Job& job) {
  const int64 results = job.kept.elements(), chunks = (job.elements + chunk_elements - 1) / chunk_elements;
  const int64 bytes = job.kernel->state_bytes;
  if (chunks == 1) {
    parallel_for(results, std::max<int64>(1, chunk_elements / 2 / job.elements), [&](int64 begin, int64 end) {
      alignas(8) char state[24];
      Odometer place(job.kept, begin);
      for (int64 i = begin; i < end; ++i, place.next()) {
        fold_elements(job, job.x + place.offset * job.item, 0, job.elements, state);
        write_results(job, place.out, 1, state);
      }
    });
    return;
  }
  const std::unique_ptr<char[]> states(new char[std::size_t(results * chunks * bytes)]);
  parallel_for(results * chunks, 1, [&](int64 begin, int64 end) {
    for (int64 task = begin; task < end; ++task) {
      const int64 first = task % chunks * chunk_elements;
      const Odometer place(job.kept, task / chunks);
      fold_elements(job, job.x + place.offset * job.item, first,
                    std::min(first + chunk_elements, job.elements), states.get() + task * bytes);
    }
  });
  for (int64 i = 0; i < results; ++i) {
    combine(job, chunks, chunk_elements, 1, bytes, states.get() + i * chunks * bytes);
    write_results(job, Odometer(job.kept, i).out, 1, states.get() + i * chunks * bytes);
  }
}

void run_side_by_side(const Job& job) {
  const int64 widest = job.widest(), blocks = (job.columns.size + widest - 1) / widest;
  const int64 tasks = job.kept.elements() * blocks;
  const int64 chunk = job.by_rows ? job.elements : std::max<int64>(64, chunk_elements / widest);
  const int64 chunks = (job.elements + chunk - 1) / chunk;
  const int64 bytes = job.kernel->state_bytes * widest;
  const auto at = [&](int64 task, auto&& work) {
    const Odometer place(job.kept, task / blocks);
    const int64 column = task % blocks * widest, width = std::min(widest, job.columns.size - column);
    work(job.x + (place.offset + column * job.columns.stride) * job.item, width,
         place.out + column * job.columns.out_stride);
  };
  if (chunks == 1) {
    const int64 grain = std::max<int64>(1, chunk_elements / 2 / (job.elements * widest));
    parallel_for(tasks, grain, [&](int64 begin, int64 end) {
      Block state;
      for (int64 task = begin; task < end; ++task) {
        at(task, [&](const char* x, int64 width, int64 out) {
          if (job.by_rows) fold_whole_rows(job, x, width, state.bytes);
          else fold_rows(job, x, width, 0, job.elements, state.bytes);
          write_results(job, out, width, state.bytes);
        });
      }
    });
    return;
  }
  const std::unique_ptr<char[]> states(new char[std::size_t(tasks * chunks * bytes)]);
  parallel_for(tasks * chunks, 1, [&](int64 begin, int64 end) {
    for (int64 part = begin; part < end; ++part) {
      at(part / chunks, [&](const char* x, int64 width, int64) {
        const int64 first = part % chunks * chunk;
        fold_rows(job, x, width, first, std::min(first + chunk, job.elements), states.get() + part * bytes);
      });
    }
  });
  parallel_for(tasks, 1, [&](int64 begin, int64 end) {
    for (int64 task = begin; task < end; ++task) {
      at(task, [&](const char*, int64 width, int64 out) {
        combine(job, chunks, chunk, width, bytes, states.get() + task * chunks * bytes);
        write_results(job, out, width, states.get() + task * chunks * bytes);
      });
    }
  });
}

/// The working type of a state's first plane.
Wide value_type(const Job& job) {
  if (job.wide == Wide::u64) return Wide::u64;
  if (job.wide == Wide::u8 || job.wide == Wide::i64) return Wide::i64;
  return job.wide == Wide::c128 ? Wide::c128 : Wide::f64;
}

void choose_kernel(const Reduction& r, Wide wide, Job& job) {
  job.wide = job.reading == Reading::nonzero     ? Wide::u8
             : job.reading == Reading::magnitude ? Wide::f64
                                                 : wide;
  job.kernel = find_reduce_kernel(job.reduce, job.wide);
  check<DTypeError>(job.kernel, job.name, ": not defined for ", r.dtype);
  job.load = find_load(r.dtype, job.wide, job.reading);
  job.dense_type = (job.reading == Reading::value && r.dtype == wide_dtype(job.wide)) ||
                   (job.wide == Wide::u8 && r.dtype == boolean) ||
                   (job.wide == Wide::i64 && r.dtype == uint64);
  const Wide value = value_type(job);
  const bool real = job.finish == Finish::variance;
  job.store = find_store(job.finish == Finish::place ? Wide::i64 : real ? Wide::f64 : value, r.output);
  if (job.second) {
    const DType type = real ? r.dtype : DType::int64;
    job.store_second = find_store(real ? value : Wide::i64, type);
    job.second_item = item_size(type);
  }
}

/// What the reduction of no elements gives.
double empty_value(const Job& job) {
  switch (job.reduce) {
    case Reduce::prod: return 1;
    case Reduce::moments: return nan;
    case Reduce::min: return 1;  // all()
    case Reduce::log_sum_exp: return -std::numeric_limits<double>::infinity();
    default: return job.finish == Finish::mean ? nan : 0;
  }
}

void fill_empty(const Reduction& r, const Job& job, int64 results) {
  const bool ordered =
      (job.reduce == Reduce::max || job.reduce == Reduce::min) && job.reading != Reading::nonzero;
  const bool norm_of_none = job.reduce == Reduce::abs_min || job.reduce == Reduce::abs_max ||
                            (job.reduce == Reduce::power_sum && job.parameter < 0);
  check<ValueError>(!ordered && !is_arg(job) && !norm_of_none, job.name, ": input of shape ", r.sizes,
                    " has no elements to choose from; it needs at least one along the reduced dimensions");
  const double real = empty_value(job);
  const std::complex<double> complex = real;
  const int64 integer = std::isfinite(real) ? int64(real) : 0;
  const Wide value = job.finish == Finish::variance ? Wide::f64 : value_type(job);
  const void* source = &integer;
  if (value == Wide::f64) source = &real;
  if (value == Wide::c128) source = &complex;
  for (int64 i = 0; i < results; ++i) job.store(source, 1, job.y + i * job.out_item, 1);
  for (int64 i = 0; job.second && i < results; ++i) {
    job.store_second(is_complex(r.dtype) ? static_cast<const void*>(&complex) : &real, 1,
                     static_cast<char*>(job.second) + i * job.second_item, 1);
  }
}

void reduce(const Reduction& r, Wide wide, const Request& request) {
  Job job(request);
  check<ShapeError>(r.sizes.size() <= max_dims, job.name, ": got ", r.sizes.size(),
                    " dimensions, at most 64 can be reduced");
  choose_kernel(r, wide, job);
  job.x = static_cast<const char*>(r.x);
  job.y = static_cast<char*>(r.y);
  job.item = item_size(r.dtype);
  job.out_item = item_size(r.output);
  plan_dims(r, job);
  const int64 results = job.kept.elements();
  if (!results) return;
  if (!job.elements) return fill_empty(r, job, results);
  choose_orientation(job);
  job.by_columns || job.by_rows ? run_side_by_side(job) : run_by_elements(job);
}

/// Sums of integers with a floating result are taken in float64; bytes are added as they are.
Wide sum_type(const Reduction& r) {
  if (is_integral(r.dtype, true) && is_differentiable(r.output)) return Wide::f64;
  if (r.dtype == boolean || r.dtype == uint8) return Wide::u8;
  return r.dtype == uint64 ? Wide::i64 : widen(r.dtype);
}

Reduce sum_kind(const Reduction& r) {
  return sum_type(r) == Wide::f32 && item_size(r.output) <= 4 ? Reduce::short_sum : Reduce::sum;
}

Wide order_type(DType dtype) { return dtype == boolean || dtype == uint8 ? Wide::u8 : widen(dtype); }

}  // namespace

void sum(const Reduction& r) { reduce(r, sum_type(r), Request{"sum", sum_kind(r), Finish::value}); }
void nansum(const Reduction& r) {
  reduce(r, widen(r.dtype), Request{"nansum", Reduce::nan_sum, Finish::value});
}
void prod(const Reduction& r) { reduce(r, sum_type(r), Request{"prod", Reduce::prod, Finish::value}); }

void mean(const Reduction& r) {
  check<DTypeError>(is_differentiable(r.output), "mean: output must be floating or complex, got ", r.output);
  reduce(r, sum_type(r), Request{"mean", sum_kind(r), Finish::mean});
}

void var(const Reduction& r, double correction, void* average) {
  reduce(r, widen(r.dtype),
         Request{"var", Reduce::moments, Finish::variance, Reading::value, correction, average});
}

void norm(const Reduction& r, double p) {
  check<DTypeError>(is_differentiable(r.dtype), "norm: needs a floating or complex input, got ", r.dtype);
  const Reading reading = is_complex(r.dtype) ? Reading::magnitude : Reading::value;
  const auto go = [&](Reduce kind, Finish finish) {
    reduce(r, widen(r.dtype), Request{"norm", kind, finish, reading, p});
  };
  if (p == 0) return reduce(r, Wide::u8, Request{"norm", Reduce::sum, Finish::value, Reading::nonzero});
  if (p == 1) return go(Reduce::abs_sum, Finish::value);
  if (p == 2) return go(Reduce::square_sum, Finish::root);
  if (std::isinf(p)) return go(p > 0 ? Reduce::abs_max : Reduce::abs_min, Finish::value);
  go(Reduce::power_sum, Finish::power_root);
}

void logsumexp(const Reduction& r) {
  reduce(r, widen(r.dtype), Request{"logsumexp", Reduce::log_sum_exp, Finish::log_sum});
}

void max(const Reduction& r) { reduce(r, order_type(r.dtype), Request{"max", Reduce::max, Finish::value}); }
void min(const Reduction& r) { reduce(r, order_type(r.dtype), Request{"min", Reduce::min, Finish::value}); }
void argmax(const Reduction& r) {
  reduce(r, order_type(r.dtype), Request{"argmax", Reduce::arg_max, Finish::place});
}
void argmin(const Reduction& r) {
  reduce(r, order_type(r.dtype), Request{"argmin", Reduce::arg_min, Finish::place});
}

void max_with_indices(const Reduction& r, std::int64_t* indices) {
  reduce(r, order_type(r.dtype),
         Request{"max", Reduce::arg_max, Finish::value_and_place, Reading::value, 0, indices});
}
void min_with_indices(const Reduction& r, std::int64_t* indices) {
  reduce(r, order_type(r.dtype),
         Request{"min", Reduce::arg_min, Finish::value_and_place, Reading::value, 0, indices});
}

void any(const Reduction& r) {
  reduce(r, Wide::u8, Request{"any", Reduce::max, Finish::value, Reading::nonzero});
}
void all(const Reduction& r) {
  reduce(r, Wide::u8, Request{"all", Reduce::min, Finish::value, Reading::nonzero});
}
void count_nonzero(const Reduction& r) {
  reduce(r, Wide::u8, Request{"count_nonzero", Reduce::sum, Finish::value, Reading::nonzero});
}

}  // namespace taper::cpu
