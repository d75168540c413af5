// The real cuDNN compiles its fused kernels of attention for devices that are described to it: are our graphs
// what it recognizes, and are wrong ones refused? A driver that runs nothing takes what it compiles.
#include "cuda/cudnn_attention_plan.h"
#include "cuda/cudnn_graph.h"
#include "described_device.h"

namespace taper::cuda {
namespace {

struct Case {
  const char* name;
  DType dtype;
  std::int64_t batch, heads, key_heads, queries, keys, size;
  bool causal = false, masked = false;
  bool rows_outside = false;  ///< operands lie as [batch, rows, heads, columns]
};

const std::vector<Case> cases = {
    {"gpt's", bfloat16, 2, 8, 8, 512, 512, 64, true},
    {"masked, of odd lengths", float16, 2, 4, 4, 500, 777, 128, false, true},
    {"as a linear layer leaves it, of heads that share keys", bfloat16, 2, 8, 2, 512, 300, 64, false, false,
     true},
};

cpu::Attention attention_of(const Case& c) {
  cpu::Attention a{};
  a.dtype = c.dtype, a.batch = c.batch, a.heads = c.heads, a.key_heads = c.key_heads;
  a.queries = c.queries, a.keys = c.keys, a.size = a.value_size = c.size, a.scale = 0.125;
  a.causal = c.causal;
  const auto strides = [&](std::int64_t heads, std::int64_t rows) {
    return c.rows_outside ? cpu::HeadStrides{rows * heads * c.size, c.size, heads * c.size}
                          : cpu::HeadStrides{heads * rows * c.size, rows * c.size, c.size};
  };
  a.q = a.y = strides(c.heads, c.queries), a.k = a.v = strides(c.key_heads, c.keys);
  if (!c.masked) return a;
  a.mask = &c, a.mask_dtype = float32;
  a.mask_strides[0] = c.queries * c.keys, a.mask_strides[2] = c.keys, a.mask_strides[3] = 1;
  return a;
}

class CudnnAttentionPlans : public CompilingDevice {
 protected:
  std::size_t plans(const cpu::Attention& a, bool backward) const {
    return plan_attention({a, backward}, device(), {.nondeterministic = true}, most_workspace).size();
  }
};

INSTANTIATE_TEST_SUITE_P(Devices, CudnnAttentionPlans, testing::Values("sm_80", "sm_90"));

TEST_P(CudnnAttentionPlans, AreFusedKernels) {
  for (const Case& one : cases)
    for (const bool backward : {false, true}) {
      const std::size_t before = kernels().size();
      EXPECT_EQ(plans(attention_of(one), backward), 1u) << one.name << " backward " << backward;
      const std::string loaded = kernels().substr(before);
      EXPECT_NE(loaded.find(backward ? "flash_bprop" : "flash_fprop"), std::string::npos) << loaded;
    }
}

TEST_P(CudnnAttentionPlans, NoneWhereThereIsNoKernel) {
  cpu::Attention a = attention_of(cases[0]);
  a.size = a.value_size = 20;
  for (const bool backward : {false, true}) EXPECT_EQ(plans(a, backward), 0u) << "20 columns";
  a = attention_of(cases[0]), a.key_heads = 3;
  for (const bool backward : {false, true}) EXPECT_EQ(plans(a, backward), 0u) << "3 key heads of 8";
  a = attention_of(cases[0]), a.dtype = float32;
  EXPECT_EQ(plans(a, true), 0u) << "float32";
}

TEST_P(CudnnAttentionPlans, WrongProductsAreNoOperations) {
  const auto operations = [](std::int64_t rows_of_right, std::int64_t columns) {
    CudnnGraph graph;
    const auto matrix = [&](std::int64_t name, std::int64_t rows, std::int64_t columns) -> const auto& {
      return graph.operand(name, CUDNN_DATA_HALF, {1, 2, rows, columns},
                           {2 * rows * columns, rows * columns, columns, 1});
    };
    graph.matmul(matrix(1, 64, 32), matrix(2, rows_of_right, 48), matrix(3, 64, columns));
    return graph.operations().size();
  };
  EXPECT_EQ(operations(32, 48), 1u);
  EXPECT_EQ(operations(40, 48), 0u) << "factors that do not meet";
  EXPECT_EQ(operations(32, 40), 0u) << "a result of other columns";
}

}  // namespace
}  // namespace taper::cuda
