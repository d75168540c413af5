// Selection by what is true: counted chunk by chunk, then each chunk writes where its elements belong.
#include <algorithm>
#include <cstring>

#include "cpu/index.h"
#include "cpu/load.h"
#include "cpu/parallel.h"
#include "cpu/walk.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
constexpr int64 chunk = 4096;

int64 chunks_of(int64 elements) { return (elements + chunk - 1) / chunk; }

/// The truth, 0 or 1, of elements [begin, end) in row-major order.
void read_truth(const Walk<1>& walk, const void* x, DType dtype, Load load, int64 begin, int64 end,
                std::uint8_t* truth) {
  walk.run(begin, end, [&](const auto& offset, int64 n) {
    load(static_cast<const char*>(x) + offset[0] * item_size(dtype), walk.inner_stride(0), n, truth);
    truth += n;
  });
}

/// Calls body(first position, truth, elements, number of true elements before) for chunks with something true
/// in them.
template <class F>
void for_each_chunk(const Source& mask, DType dtype, const TrueCounts& counts, const F& body) {
  const Walk<1> walk(mask.sizes, {mask.strides});
  const Load load = find_load(dtype, Wide::u8, Reading::nonzero);
  parallel_for(chunks_of(walk.elements()), 4, [&](int64 first, int64 last) {
    std::uint8_t truth[chunk];
    for (int64 k = first; k < last; ++k) {
      const int64 before = counts[std::size_t(k)], begin = k * chunk,
                  end = std::min(begin + chunk, walk.elements());
      if (counts[std::size_t(k + 1)] == before) continue;
      read_truth(walk, mask.data, dtype, load, begin, end, truth);
      body(begin, static_cast<const std::uint8_t*>(truth), end - begin, before);
    }
  });
}

/// The places of true elements; writes one entry past them, so that no branch is needed.
int64 places_of(const std::uint8_t* truth, int64 n, std::int32_t* places) {
  int64 found = 0;
  for (int64 i = 0; i < n; ++i) {
    places[found] = std::int32_t(i);
    found += truth[i];
  }
  return found;
}

template <class F>
void visit_item(DType dtype, const F& f) {
  struct Sixteen {
    std::uint64_t low, high;
  };
  switch (item_size(dtype)) {
    case 1: return f.template operator()<std::uint8_t>();
    case 2: return f.template operator()<std::uint16_t>();
    case 4: return f.template operator()<std::uint32_t>();
    case 8: return f.template operator()<std::uint64_t>();
    default: return f.template operator()<Sixteen>();
  }
}

}  // namespace

TrueCounts count_true(const Source& x, DType dtype) {
  const Walk<1> walk(x.sizes, {x.strides});
  const Load load = find_load(dtype, Wide::u8, Reading::nonzero);
  const int64 chunks = chunks_of(walk.elements());
  TrueCounts counts(std::size_t(chunks + 1), 0);
  parallel_for(chunks, 4, [&](int64 first, int64 last) {
    std::uint8_t truth[chunk];
    for (int64 k = first; k < last; ++k) {
      const int64 begin = k * chunk, end = std::min(begin + chunk, walk.elements());
      read_truth(walk, x.data, dtype, load, begin, end, truth);
      std::int32_t found = 0;
      for (int64 i = 0; i < end - begin; ++i) found += truth[i];
      counts[std::size_t(k + 1)] = found;
    }
  });
  for (int64 k = 0; k < chunks; ++k) counts[std::size_t(k + 1)] += counts[std::size_t(k)];
  return counts;
}

void nonzero(const Source& x, DType dtype, const TrueCounts& counts, int64* y) {
  const int ndim = x.sizes.size();
  for_each_chunk(x, dtype, counts, [&](int64 begin, const std::uint8_t* truth, int64 n, int64 before) {
    std::int32_t places[chunk + 1];
    const int64 found = places_of(truth, n, places);
    int64* to = y + before * ndim;
    for (int64 k = 0; k < found; ++k, to += ndim) {
      int64 flat = begin + places[k];
      for (int i = ndim - 1; i > 0; --i) {
        to[i] = flat % x.sizes[i];
        flat /= x.sizes[i];
      }
      if (ndim) to[0] = flat;
    }
  });
}

void masked_select(const Source& x, DType dtype, const Source& mask, const TrueCounts& counts, void* y) {
  const Walk<1> walk(x.sizes, {x.strides});
  visit_item(dtype, [&]<class T>() {
    const T* source = static_cast<const T*>(x.data);
    for_each_chunk(mask, boolean, counts, [&](int64 begin, const std::uint8_t* truth, int64 n, int64 before) {
      std::int32_t places[chunk + 1];
      const int64 found = places_of(truth, n, places);
      T* to = static_cast<T*>(y) + before;
      if (walk.is_dense(0)) {
        for (int64 k = 0; k < found; ++k) to[k] = source[begin + places[k]];
        return;
      }
      T values[chunk];
      T* filled = values;
      walk.run(begin, begin + n, [&](const auto& offset, int64 count) {
        const int64 stride = walk.inner_stride(0);
        for (int64 j = 0; j < count; ++j) filled[j] = source[offset[0] + j * stride];
        filled += count;
      });
      for (int64 k = 0; k < found; ++k) to[k] = values[places[k]];
    });
  });
}

void masked_scatter(const Target& y, DType dtype, const Source& mask, const TrueCounts& counts, const void* x,
                    int64 x_elements) {
  check<ValueError>(counts.back() <= x_elements, "masked_scatter: the mask has ", counts.back(),
                    " true elements but the source only ", x_elements, " elements");
  const Walk<1> walk(y.sizes, {y.strides});
  visit_item(dtype, [&]<class T>() {
    for_each_chunk(mask, boolean, counts, [&](int64 begin, const std::uint8_t* truth, int64 n, int64 before) {
      const T* from = static_cast<const T*>(x) + before;
      walk.run(begin, begin + n, [&](const auto& offset, int64 count) {
        T* to = static_cast<T*>(y.data) + offset[0];
        const int64 stride = walk.inner_stride(0);
        for (int64 j = 0; j < count; ++j) {
          if (*truth++) to[j * stride] = *from++;
        }
      });
    });
  });
}

}  // namespace taper::cpu
