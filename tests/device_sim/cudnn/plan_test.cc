// The real cuDNN plans convolutions for devices that are described to it, without one: are our operation
// graphs what it takes, and are wrong ones refused?
#include <set>
#include <vector>

#include "cuda/cudnn_convolution_plan.h"
#include "described_device.h"
#include "taper/error.h"

namespace taper::cuda {
namespace {

constexpr EngineChoice fast{.tensor_cores = true, .nondeterministic = true};
EngineChoice exact_for(DType dtype) { return {.tensor_cores = dtype != float32}; }

struct Case {
  const char* name;
  std::int64_t batch, in, out, groups;
  std::vector<std::int64_t> input, kernel, stride, padding, dilation;
  std::vector<std::int64_t> more = {};  ///< inputs beyond what the outputs need, as output_padding asks
};

// Of the operations' samples, and of ResNet, MobileNet, a spectrogram's and a video's first layers.
const std::vector<Case> cases = {
    {"conv1d", 2, 3, 4, 1, {5}, {3}, {1}, {0}, {1}},
    {"conv1d strided", 1, 4, 4, 2, {6}, {2}, {2}, {1}, {2}},
    {"conv1d pointwise", 1, 3, 2, 1, {5}, {1}, {1}, {0}, {1}},
    {"conv2d", 2, 3, 4, 1, {5, 4}, {3, 2}, {1, 1}, {0, 0}, {1, 1}},
    {"conv2d grouped", 1, 4, 4, 2, {6, 5}, {2, 3}, {2, 1}, {1, 0}, {1, 2}},
    {"conv2d depthwise", 2, 3, 3, 3, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {"conv2d pointwise", 1, 3, 2, 1, {4, 4}, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
    {"conv3d", 1, 2, 2, 1, {3, 4, 3}, {2, 2, 2}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
    {"conv3d grouped", 1, 2, 2, 2, {3, 4, 3}, {2, 3, 2}, {1, 2, 1}, {0, 1, 1}, {1, 1, 1}},
    {"conv_transpose1d", 1, 2, 4, 2, {6}, {2}, {2}, {1}, {1}, {1}},
    {"conv_transpose2d", 2, 2, 3, 1, {5, 5}, {3, 2}, {1, 1}, {0, 0}, {1, 1}},
    {"conv_transpose2d strided", 1, 2, 2, 1, {4, 7}, {2, 3}, {2, 1}, {1, 0}, {1, 2}, {1, 0}},
    {"conv_transpose3d", 1, 2, 2, 1, {4, 6, 4}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, {1, 1, 1}},
    {"resnet's first", 8, 3, 64, 1, {224, 224}, {7, 7}, {2, 2}, {3, 3}, {1, 1}},
    {"resnet's middle", 8, 128, 128, 1, {28, 28}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {"resnet's shortcut", 8, 256, 512, 1, {28, 28}, {1, 1}, {2, 2}, {0, 0}, {1, 1}},
    {"mobilenet's depthwise", 8, 96, 96, 96, {56, 56}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
    {"whisper's first", 2, 80, 384, 1, {3000}, {3}, {1}, {1}, {1}},
    {"video", 2, 3, 16, 1, {8, 32, 32}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
};

PlannedConvolution planned(const Case& a, DType dtype, ConvolutionPass pass) {
  cpu::Convolution c;
  c.spatial_dims = int(a.input.size());
  c.batch = a.batch, c.groups = a.groups, c.in_channels = a.in, c.out_channels = a.out, c.dtype = dtype;
  for (std::size_t i = 0; i < a.input.size(); ++i) {
    c.input[i] = a.input[i], c.kernel[i] = a.kernel[i], c.stride[i] = a.stride[i];
    c.padding_before[i] = c.padding_after[i] = a.padding[i], c.dilation[i] = a.dilation[i];
    c.output[i] = (a.input[i] + 2 * a.padding[i] - a.dilation[i] * (a.kernel[i] - 1) - 1) / a.stride[i] + 1;
  }
  return {c, pass};
}

class CudnnPlans : public DescribedDevice {
 protected:
  bool has_plan(const PlannedConvolution& convolution) {
    return !plan_convolution(convolution, device(), exact_for(convolution.sizes.dtype), most_workspace)
                .empty();
  }
};

INSTANTIATE_TEST_SUITE_P(Devices, CudnnPlans, testing::Values("sm_80", "sm_90"));

constexpr ConvolutionPass passes[] = {ConvolutionPass::forward, ConvolutionPass::backward_input,
                                      ConvolutionPass::backward_weight};

TEST_P(CudnnPlans, EveryGeometryHasOne) {
  for (const Case& one : cases)
    for (const DType dtype : {float64, float32, float16, bfloat16})
      for (const ConvolutionPass pass : passes)
        EXPECT_TRUE(has_plan(planned(one, dtype, pass))) << concat(one.name, " ", dtype, " pass ", int(pass));
}

std::set<int> notes_of(const CudnnPlan& plan) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t place = engine.get();
  EXPECT_EQ(plan.configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &place), 1);
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  const std::int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                        CUDNN_NUMERICAL_NOTE_TYPE_COUNT, notes);
  return {notes, notes + count};
}

// Tensor cores multiply float32 in TF32, and sums whose order differs from call to call are not the same
// twice.
TEST_P(CudnnPlans, AreExactForFloat32AndTheSameEveryTimeWhereThatIsAskedFor) {
  for (const DType dtype : {float32, bfloat16})
    for (const ConvolutionPass pass : passes) {
      const auto found =
          plan_convolution(planned(cases[14], dtype, pass), device(), exact_for(dtype), most_workspace);
      ASSERT_EQ(found.size(), 1u);
      const std::set<int> notes = notes_of(found[0]);
      EXPECT_FALSE(notes.count(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
      EXPECT_FALSE(notes.count(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC));
      EXPECT_EQ(notes.count(CUDNN_NUMERICAL_NOTE_TENSOR_CORE), dtype == bfloat16 ? 1 : 0) << int(pass);
    }
}

TEST_P(CudnnPlans, MultiplyFloat32OnTensorCoresWhereTheyMay) {
  for (const ConvolutionPass pass : passes) {
    const auto found = plan_convolution(planned(cases[14], float32, pass), device(), fast, most_workspace);
    ASSERT_EQ(found.size(), 1u);
    const std::set<int> notes = notes_of(found[0]);
    EXPECT_TRUE(notes.count(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) << int(pass);
    EXPECT_FALSE(notes.count(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)) << int(pass);
  }
}

TEST_P(CudnnPlans, AreSeveralToTime) {
  for (const ConvolutionPass pass : passes) {
    const auto planned_pass = planned(cases[14], float16, pass);
    const auto all = plan_convolution(planned_pass, device(), fast, most_workspace, 10);
    EXPECT_GT(all.size(), 2u);
    EXPECT_LE(all.size(), 10u);
  }
}

TEST_P(CudnnPlans, AddressesNeedNotBeAligned) {
  for (const Case& one : cases)
    for (const ConvolutionPass pass : passes) {
      PlannedConvolution convolution = planned(one, bfloat16, pass);
      convolution.alignment = 2;
      EXPECT_TRUE(has_plan(convolution)) << one.name << " pass " << int(pass);
    }
}

TEST_P(CudnnPlans, KeepToTheWorkspace) {
  for (const ConvolutionPass pass : passes) {
    for (const CudnnPlan& plan :
         plan_convolution(planned(cases[14], float16, pass), device(), fast, 1 << 16, 10))
      EXPECT_LE(plan.workspace, 1 << 16);
  }
}

TEST_P(CudnnPlans, ChannelsFirstImagesHaveOne) {
  PlannedConvolution pointwise = planned(cases[6], float32, ConvolutionPass::forward);
  pointwise.sizes.channels_last = false;
  for (const ConvolutionPass pass : passes) {
    pointwise.pass = pass;
    EXPECT_TRUE(has_plan(pointwise)) << int(pass);
  }
}

// Of compiled engines, in milliseconds: none that would be compiled for the sizes.
TEST_P(CudnnPlans, EpiloguesAreOfTheSameKernel) {
  const Epilogue biased{.bias = true}, biased_relu{.bias = true, .relu = true},
      all{.bias = true, .relu = true, .z = true};
  for (const Case& one : cases)
    for (const DType dtype : {float32, float16, bfloat16})
      for (const Epilogue& epilogue : {biased, biased_relu, all}) {
        PlannedConvolution convolution = planned(one, dtype, ConvolutionPass::forward);
        convolution.epilogue = epilogue;
        EXPECT_TRUE(has_plan(convolution)) << concat(one.name, " ", dtype, epilogue.bias ? " bias" : "",
                                                     epilogue.relu ? " relu" : "", epilogue.z ? " z" : "");
      }
}

TEST_P(CudnnPlans, WrongSizesAreRefused) {
  for (const ConvolutionPass pass : passes) {
    const PlannedConvolution right = planned(cases[14], float32, pass);
    ASSERT_TRUE(has_plan(right));
    PlannedConvolution wrong = right;
    ++wrong.sizes.output[0];
    EXPECT_FALSE(has_plan(wrong)) << "an output too many, pass " << int(pass);
    wrong = right, --wrong.sizes.output[1];
    EXPECT_FALSE(has_plan(wrong)) << "an output too few, pass " << int(pass);
    wrong = right, wrong.sizes.in_channels = 127, wrong.sizes.groups = 2;
    EXPECT_FALSE(has_plan(wrong)) << "groups that do not divide the channels, pass " << int(pass);
    wrong = right, wrong.sizes.kernel[0] = 40;
    EXPECT_FALSE(has_plan(wrong)) << "a window larger than the image, pass " << int(pass);
  }
}

}  // namespace
}  // namespace taper::cuda
