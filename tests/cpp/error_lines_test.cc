// Errors name the line of the program that called into Taper. Compiled with line tables
// (tests/CMakeLists.txt).
#include <gtest/gtest.h>

#include <source_location>

#include "io_temporary.h"
#include "taper/taper.h"

namespace taper {
namespace {

// Other tests compare whole messages.
const bool off = (set_error_lines(false), true);

class ErrorLines : public ::testing::Test {
 protected:
  void SetUp() override {
    set_error_lines(true);
    try {
      fail("is there a library for line tables?");
    } catch (const Error& error) {
      if (std::string(error.what()).find(" (at ") == std::string::npos)
        GTEST_SKIP() << "built without libbacktrace";
    }
  }
  void TearDown() override { set_error_lines(!off); }
};

/// Where the message of what call throws says that it was called.
template <class Call>
std::string place(Call&& call) {
  const std::string message = testing::message_of<Error>(std::forward<Call>(call));
  const auto at = message.rfind(" (at ");
  return at == message.npos ? "nowhere: " + message : message.substr(at);
}

std::string at_line(std::int64_t line) { return concat(" (at error_lines_test.cc:", line, ")"); }

/// call throws on the line on which this stands.
template <class Call>
void expect_here(Call&& call, std::source_location here = std::source_location::current()) {
  EXPECT_EQ(place(std::forward<Call>(call)), at_line(here.line()));
}

// The line of what fails next within a function.
std::int64_t failing_line = 0;
void next_line_fails(std::source_location here = std::source_location::current()) {
  failing_line = here.line() + 1;
}

/// call throws on the line after next_line_fails().
template <class Call>
void expect_within(Call&& call) {
  const std::string found = place(std::forward<Call>(call));
  EXPECT_EQ(found, at_line(failing_line));
}

Tensor wrong_product(const Tensor& x) {
  next_line_fails();
  return x.matmul(x);
}

TEST_F(ErrorLines, NameCallsOfFunctionsMethodsAndOperators) {
  const Tensor a = ones({2, 3}), b = ones({4});
  expect_here([&] { add(a, b); });
  expect_here([&] { a + b; });
  expect_here([&] { a.view({7}); });
  expect_here([&] { a += b; });
  expect_here([&] { a.index({5}); });
  expect_here([&] { a.size(2); });
  expect_within([&] { wrong_product(a); });
}

class Net : public nn::Module {
 public:
  Net() { register_module("fc", fc_); }
  Tensor forward(const Tensor& x) override {
    next_line_fails();
    return fc_(x);
  }

 private:
  nn::Linear fc_{3, 2};
};

TEST_F(ErrorLines, NameCallsOfModulesWhereTheProgramMadeThem) {
  nn::Linear layer(3, 2);
  const Tensor x = ones({4, 5});
  expect_here([&] { layer(x); });
  Net net;
  expect_within([&] { net(x); });
  nn::Sequential sequence;
  sequence.add<nn::Linear>(3, 2);
  expect_here([&] { sequence(x); });
}

TEST_F(ErrorLines, NameBackwardOptimizersFilesAndData) {
  const Tensor x = ones({2}).requires_grad_();
  expect_here([&] { x.mul(2).backward(); });
  expect_here([&] { optim::SGD sgd{{x}, {.lr = -1}}; });
  expect_here([&] { load("/nowhere/at/all"); });
  struct Torn {
    std::int64_t size() const { return 3; }
    Tensor get(std::int64_t i) const {
      next_line_fails();
      return ones({2}).select(0, i + 7);
    }
  };
  expect_within([] {
    for (auto& batch : data::DataLoader{Torn(), {.workers = 1}}) batch.sum();
  });
}

TEST_F(ErrorLines, CanBeSwitchedOff) {
  set_error_lines(false);
  const std::string message = testing::message_of<ShapeError>([] { ones({2}) + ones({3}); });
  EXPECT_EQ(message.find(" (at "), std::string::npos) << message;
}

}  // namespace
}  // namespace taper
