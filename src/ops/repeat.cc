// Tensors and their elements repeated.
#include <algorithm>

#include "ops/registry.h"
#include "taper/ops.h"
#include "tensor/layout.h"

namespace taper {

Tensor repeat(const Tensor& x, const Shape& counts) {
  const int extra = counts.size() - x.ndim();
  check<ShapeError>(extra >= 0, "repeat: ", counts.size(), " counts ", counts, " for a tensor of ", x.ndim(),
                    " dimensions");
  // Each dimension becomes (count, size): expanding the first of the pair repeats the second.
  Shape split_sizes, expanded;
  for (int i = 0; i < counts.size(); ++i) {
    const std::int64_t size = i < extra ? 1 : x.sizes()[i - extra];
    check<ValueError>(counts[i] >= 0, "repeat: counts must not be negative, got ", counts);
    split_sizes.push_back(1);
    split_sizes.push_back(size);
    expanded.push_back(counts[i]);
    expanded.push_back(size);
  }
  const Tensor pairs = clone(expand(reshape(x, split_sizes), expanded), "contiguous");
  Shape merged;
  for (int i = 0; i < counts.size(); ++i) merged.push_back(expanded[2 * i] * expanded[2 * i + 1]);
  return reshape(pairs, merged);
}

Tensor tile(const Tensor& x, const Shape& counts) {
  Shape full = counts;
  while (full.size() < x.ndim()) full.insert(0, 1);
  return repeat(x, full);
}

Tensor repeat_interleave(const Tensor& x, std::int64_t count, std::optional<std::int64_t> dim) {
  check<ValueError>(count >= 0, "repeat_interleave: repeats must not be negative, got ", count);
  if (!dim) return repeat_interleave(reshape(x, {-1}), count, 0);
  const int place = wrap_dim(*dim, x.ndim(), "repeat_interleave");
  Shape sizes = x.sizes();
  sizes.insert(place + 1, count);
  const Tensor wide = expand(unsqueeze(x, place + 1), sizes);
  return flatten(clone(wide, "contiguous"), place, place + 1);
}

namespace {

// Place i repeats[i] times.
Tensor repeat_interleave_places(const Tensor& repeats) {
  const Tensor counts = contiguous(to(to(repeats, Device()), int64));
  const std::int64_t* each = counts.data<std::int64_t>();
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < counts.numel(); ++i) {
    check<ValueError>(each[i] >= 0, "repeat_interleave: repeats must not be negative, got ", each[i]);
    check<ValueError>(!__builtin_add_overflow(total, each[i], &total), "repeat_interleave: too many repeats");
  }
  Tensor places = empty({total}, int64);
  std::int64_t* place = places.data<std::int64_t>();
  for (std::int64_t i = 0; i < counts.numel(); ++i) place = std::fill_n(place, each[i], i);
  return to(places, repeats.device());
}
Tensor repeat_interleave_each(const Tensor& x, const Tensor& repeats, std::optional<std::int64_t> dim,
                              std::optional<std::int64_t> output_size) {
  if (!dim) return repeat_interleave_each(reshape(x, {-1}), repeats, 0, output_size);
  const int place = wrap_dim(*dim, x.ndim(), "repeat_interleave");
  check<DTypeError>(is_integral(repeats.dtype()), "repeat_interleave: repeats must be integers, got ",
                    repeats.dtype());
  check<ShapeError>(repeats.ndim() <= 1, "repeat_interleave: repeats must have 0 or 1 dimensions, got shape ",
                    repeats.sizes());
  if (repeats.numel() == 1) return repeat_interleave(x, repeats.item<std::int64_t>(), place);
  check<ShapeError>(repeats.numel() == x.size(place), "repeat_interleave: ", repeats.numel(),
                    " repeats do not fit dimension ", place, " of input ", x.sizes());
  const Tensor places = repeat_interleave_places(repeats);
  check<ShapeError>(!output_size || *output_size == places.numel(), "repeat_interleave: output_size ",
                    output_size.value_or(0), " is not the sum of repeats, ", places.numel());
  return index_select(x, place, places);
}
Tensor places_of_repeats(const Tensor& repeats, std::optional<std::int64_t>) {
  check<ShapeError>(repeats.ndim() == 1, "repeat_interleave: repeats must be a vector, got shape ",
                    repeats.sizes());
  check<DTypeError>(is_integral(repeats.dtype()), "repeat_interleave: repeats must be integers, got ",
                    repeats.dtype());
  return repeat_interleave_places(repeats);
}
Tensor repeat_interleave_count(const Tensor& x, std::int64_t count, std::optional<std::int64_t> dim,
                               std::optional<std::int64_t>) {
  return repeat_interleave(x, count, dim);
}

const Register repeat_op{{.signature = "repeat(Tensor input, int... repeats) -> Tensor",
                          .doc = "input repeated along each dimension.",
                          .call = box<repeat>,
                          .homes = "Tensor",
                          .samples = "x(2, 3), 2, 2; x(3), (2, 2); x(2, 1), 0, 1",
                          .reference = "np.tile(input, repeats)",
                          .errors = "x(2, 3), 2; x(2), -1"}};
const Register tile_op{{.signature = "tile(Tensor input, int... dims) -> Tensor",
                        .doc = "input repeated along each dimension; missing leading counts are 1.",
                        .call = box<tile>,
                        .samples = "x(2, 3), (2,); x(3), (2, 2)",
                        .reference = "np.tile(input, dims)"}};
const Register repeat_interleave_op[]{
    {{.signature = "repeat_interleave(Tensor repeats, *, int? output_size=None) -> Tensor",
      .doc = "Place i repeats[i] times.",
      .call = box<places_of_repeats>,
      .homes = "taper",
      .samples = "i(4, hi=3)",
      .reference = "np.repeat(np.arange(len(repeats)), repeats)",
      .errors = "taper.tensor([-1])",
      .differentiable = false}},
    {{.signature = "repeat_interleave(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None) "
                   "-> Tensor",
      .doc = "Each element along dim repeated as often as repeats says.",
      .call = box<repeat_interleave_each>,
      .samples = "x(2, 3), i(3, hi=3), 1; x(2, 3), i(6, hi=3); x(2, 3), taper.tensor([2]), 0",
      .reference = "np.repeat(input, repeats, axis=dim)",
      .errors = "x(2), i(3); x(2), x(2); x(2), taper.tensor([-1, 1])"}},
    {{.signature =
          "repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None) -> Tensor",
      .doc = "Each element along dim repeated.",
      .call = box<repeat_interleave_count>,
      .samples = "x(2, 3), 2; x(2, 3), 3, 1; x(2, 3), 2, 0",
      .reference = "np.repeat(input, repeats, axis=dim)",
      .errors = "x(2), -1"}}};

}  // namespace

}  // namespace taper
