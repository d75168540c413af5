// The real cuDNN compiles kernels of norms for devices that are described to it: are our operations what it
// takes, and for which does it have none?
#include "cuda/cudnn_norm_plan.h"
#include "described_device.h"
#include "taper/error.h"

namespace taper::cuda {
namespace {

class CudnnNormPlans : public CompilingDevice {
 protected:
  bool has_plan(const PlannedNorm& norm) const {
    return !plan_norm(norm, device(), {.tensor_cores = false}, most_workspace).empty();
  }
  bool makes_row_engines_quickly() const { return std::string(GetParam()) == "sm_90"; }
};

INSTANTIATE_TEST_SUITE_P(Devices, CudnnNormPlans, testing::Values("sm_80", "sm_90"));

TEST_P(CudnnNormPlans, ImagesWithChannelsLastHaveOne) {
  for (const DType dtype : {float32, bfloat16})
    for (const bool backward : {false, true})
      EXPECT_TRUE(has_plan({NormKind::batch, dtype, 8 * 28 * 28, 256, backward}))
          << concat(dtype, " backward ", backward);
}

TEST_P(CudnnNormPlans, RowsHaveOne) {
  if (!makes_row_engines_quickly()) GTEST_SKIP() << "takes 15 to 45 s each: not used for such devices";
  for (const NormKind kind : {NormKind::layer, NormKind::rms})
    for (const bool backward : {false, true})
      EXPECT_TRUE(has_plan({kind, bfloat16, 2048, 768, backward})) << int(kind) << " backward " << backward;
}

TEST_P(CudnnNormPlans, NoneOfFloat64OrOddSizes) {
  EXPECT_FALSE(has_plan({NormKind::batch, float64, 128, 16}));
  EXPECT_FALSE(has_plan({NormKind::batch, bfloat16, 128, 12}));
}

}  // namespace
}  // namespace taper::cuda
