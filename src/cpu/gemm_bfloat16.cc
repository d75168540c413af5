// Matrix products of bfloat16 by oneDNN, on processors that multiply bfloat16 at twice the speed of float32.
#include <unordered_map>

#include "cpu/gemm_product.h"
#include "cpu/onednn.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace taper::cpu {
namespace {

using dnnl::memory;

// Blocks of C, whatever the number of threads: how oneDNN sums may depend on a block's shape.
constexpr std::int64_t block_size = 256;

struct Multiplication {
  dnnl::matmul primitive;
  memory::desc a, b, c, scratchpad;
};

bool multiplies_bfloat16() {
  constexpr auto needed = unsigned(dnnl::cpu_isa::avx512_core_bf16);
  static const bool result = (unsigned(dnnl::get_effective_cpu_isa()) & needed) == needed;
  return result;
}

Multiplication make(const Product<BFloat16, float>& x, std::int64_t rows, std::int64_t columns) {
  using Dims = memory::dims;
  const auto layout = [](Dims sizes, bool transposed, std::int64_t ld, memory::data_type type) {
    return memory::desc(sizes, type, transposed ? Dims{1, ld} : Dims{ld, 1});
  };
  const memory::desc a = layout({rows, x.k}, x.trans_a, x.lda, memory::data_type::bf16);
  const memory::desc b = layout({x.k, columns}, x.trans_b, x.ldb, memory::data_type::bf16);
  const memory::desc c = layout({rows, columns}, false, x.ldc, memory::data_type::f32);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::matmul::primitive_desc description(onednn_engine(), a, b, c, attributes);
  return {dnnl::matmul(description), a, b, c, description.scratchpad_desc()};
}

void multiply_block(const Product<BFloat16, float>& x, std::int64_t i, std::int64_t j) {
  static auto* const cache = new PrimitiveCache<Multiplication>;
  const std::int64_t rows = std::min(block_size, x.m - i), columns = std::min(block_size, x.n - j);
  const PrimitiveKey key{rows, columns, x.k, x.trans_a, x.trans_b, x.lda, x.ldb, x.ldc};
  const OpenMpThreads serial(1);
  const auto entry = cache->get(key, [&] { return make(x, rows, columns); });
  const auto place = [](const memory::desc& description, const void* data) {
    return memory(description, onednn_engine(), const_cast<void*>(data));
  };
  Scratch<char> room(entry->scratchpad.get_size());
  dnnl::matmul(entry->primitive)
      .execute(onednn_stream(), {{DNNL_ARG_SRC, place(entry->a, x.a + (x.trans_a ? i : i * x.lda))},
                                 {DNNL_ARG_WEIGHTS, place(entry->b, x.b + (x.trans_b ? j * x.ldb : j))},
                                 {DNNL_ARG_DST, place(entry->c, x.c + i * x.ldc + j)},
                                 {DNNL_ARG_SCRATCHPAD, place(entry->scratchpad, room.data())}});
}

}  // namespace

bool multiply_natively(const Product<BFloat16, float>& x) {
  // Below, preparing the call costs more than it saves; beyond 4096 the sums need more than float32.
  const bool worth = x.multiplications() >= 1 << 18 && x.m > 8 && x.n > 8 && x.k <= 4096;
  if (!worth || x.alpha != 1 || x.beta != 0 || x.bias || !multiplies_bfloat16()) return false;
  const std::int64_t down = (x.m + block_size - 1) / block_size, across = (x.n + block_size - 1) / block_size;
  parallel_for(down * across, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block)
      multiply_block(x, block % down * block_size, block / down * block_size);
  });
  return true;
}

}  // namespace taper::cpu
