// Operations as methods of Tensor, indexing by slices, masks and positions: values as NumPy gives them.
#include <gtest/gtest.h>

#include "io_temporary.h"
#include "taper/taper.h"

namespace taper {
namespace {

using testing::message_of;
using Integers = std::vector<std::int64_t>;

Tensor table() { return arange(0, 12).view({3, 4}); }

Integers values(const Tensor& x) {
  const Tensor flat = x.to(int64).contiguous();
  return {flat.data<std::int64_t>(), flat.data<std::int64_t>() + flat.numel()};
}

TEST(TensorMethods, ComputeWhatTheFunctionsCompute) {
  const Tensor x = table().to(float32) - 5;
  EXPECT_EQ(values(x.relu()), (Integers{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(values(x.sum(1)), (Integers{-14, 2, 18}));
  EXPECT_EQ(x.sum().item<float>(), 6);
  EXPECT_EQ(values(x.matmul(x.transpose(0, 1))), (Integers{54, -2, -58, -2, 6, 14, -58, 14, 86}));
  EXPECT_EQ(x.view({2, -1}).sizes(), (Shape{2, 6}));
  EXPECT_EQ(x.mean(0, true).sizes(), (Shape{1, 4}));
  EXPECT_EQ(std::get<1>(x.max(1)).numel(), 3);
  EXPECT_EQ(x.permute({1, 0}).sizes(), (Shape{4, 3}));
  EXPECT_EQ(x.dim(), 2);
  EXPECT_EQ(values(x[1]), (Integers{-1, 0, 1, 2}));
}

TEST(TensorMethods, ChainsHaveGradients) {
  const Tensor x = tensor(std::vector<double>{1, 2, 3}, {3}).requires_grad_();
  x.mul(x).sum().mul(2).backward();
  EXPECT_EQ(values(x.grad()), (Integers{4, 8, 12}));
}

TEST(TensorMethods, InPlaceFormsWriteIntoTheTensor) {
  const Tensor x = tensor(std::vector<float>{-2, 0, 9}, {3}), same = x;
  EXPECT_TRUE(x.add_(1).mul_(2).is(x));
  EXPECT_EQ(values(same), (Integers{-2, 2, 20}));
  x.clamp_(Scalar(0)).sqrt_();
  EXPECT_NEAR(x[2].item<double>(), std::sqrt(20.0), 1e-6);
  x.zero_();
  x += 3;
  x /= tensor(std::vector<float>{1, 2, 3}, {3});
  EXPECT_EQ(values(x * 2), (Integers{6, 3, 2}));
}

TEST(TensorMethods, InPlaceFormsKeepHistory) {
  const Tensor x = tensor(std::vector<double>{1, 2}, {2}).requires_grad_();
  const Tensor y = x * 3;
  y.exp_().mul_(2);
  y.sum().backward();
  // d/dx 2 exp(3 x) = 6 exp(3 x)
  EXPECT_NEAR(x.grad()[1].item<double>(), 6 * std::exp(6.0), 1e-9);
  EXPECT_THROW(x.relu_(), AutogradError);
}

TEST(TensorIndex, BasicEntriesGiveViews) {
  const Tensor x = table();
  EXPECT_EQ(values(x.index({1})), (Integers{4, 5, 6, 7}));
  EXPECT_EQ(values(x.index({Slice(0, 2), -1})), (Integers{3, 7}));
  EXPECT_EQ(values(x.index({Slice(None, None, 2), Slice(1, -1)})), (Integers{1, 2, 9, 10}));
  EXPECT_EQ(values(x.index({Ellipsis, 0})), (Integers{0, 4, 8}));
  EXPECT_EQ(values(x.index({"...", 0})), (Integers{0, 4, 8}));
  EXPECT_EQ(x.index({None, Slice(), None}).sizes(), (Shape{1, 3, 1, 4}));
  x.index({2}).fill_(0);
  EXPECT_EQ(x.sum().item<std::int64_t>(), 28);
}

TEST(TensorIndex, TensorsAndMasksGiveCopies) {
  const Tensor x = table(), rows = tensor(Integers{2, 0}, {2});
  EXPECT_EQ(values(x.index({rows})), (Integers{8, 9, 10, 11, 0, 1, 2, 3}));
  EXPECT_EQ(values(x.index({rows, tensor(Integers{3, 1}, {2})})), (Integers{11, 1}));
  EXPECT_EQ(values(x.index({Slice(), rows})), (Integers{2, 0, 6, 4, 10, 8}));
  EXPECT_EQ(values(x.index({x.gt(8)})), (Integers{9, 10, 11}));
  EXPECT_EQ(values(x.index({Slice(0, 1), x[0].remainder(tensor(Scalar(2))).eq(1)})), (Integers{1, 3}));
  // As in NumPy: x[1, None, [2, 0]] and x[True].
  EXPECT_EQ(x.index({1, None, rows}).sizes(), (Shape{1, 2}));
  EXPECT_EQ(x.index({true}).sizes(), (Shape{1, 3, 4}));
  EXPECT_EQ(x.index({false}).sizes(), (Shape{0, 3, 4}));
  EXPECT_EQ(values(x.index({tensor(Scalar(1))})), (Integers{4, 5, 6, 7}));
}

TEST(TensorIndex, PutsValues) {
  const Tensor x = table();
  x.index_put_({0, Slice(1, 3)}, -1);
  x.index_put_({x.gt(9)}, tensor(Integers{70, 80}, {2}));
  x.index_put_({Slice(), 0}, tensor(Integers{5, 6, 7}, {3}));
  EXPECT_EQ(values(x), (Integers{5, -1, -1, 3, 6, 5, 6, 7, 7, 9, 70, 80}));
}

TEST(TensorIndex, NamesWhatIsWrong) {
  const Tensor x = table();
  EXPECT_NE(message_of<IndexError>([&] { x.index({0, 0, 0}); }).find("too many indices"), std::string::npos);
  EXPECT_THROW(x.index({3}), IndexError);
  EXPECT_THROW(x.index({Ellipsis, Ellipsis}), IndexError);
  EXPECT_THROW(x.index({".."}), ValueError);
  EXPECT_THROW(x.index({Tensor()}), IndexError);
  EXPECT_THROW(x.index({tensor(Scalar(1.5))}), IndexError);
}

TEST(RandomState, ARestoredGeneratorGivesTheSameNumbers) {
  manual_seed(3);
  rand({5});
  const Tensor state = load_from_memory(save_to_memory(get_rng_state())).as_tensor();
  const Tensor first = rand({7});
  manual_seed(9);
  set_rng_state(state);
  EXPECT_TRUE(equal(rand({7}), first));
  EXPECT_THROW(set_rng_state(zeros({16})), ValueError);
}

}  // namespace
}  // namespace taper
