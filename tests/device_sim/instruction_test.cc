// One test for each PTX instruction that the interpreter has, against arithmetic of the host.
#include <cstring>
#include <random>

#include "findings.h"
#include "ptx/executor.h"

namespace {

using namespace device_sim;

/// Runs one thread that loads `inputs` (64 bits each) into %a, %b, %c, %d, runs `body` and stores %r.
class Instruction : public device_sim_tests::OnDevice {
 protected:
  uint64_t run(const std::string& body, std::vector<uint64_t> inputs, const std::string& declarations = "") {
    inputs.resize(4);
    const std::string text = R"(.version 8.0
.target sm_80
.address_size 64
)" + declarations + R"(
.visible .entry test(.param .u64 out, .param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d)
{
  .reg .b64 %out, %a, %b, %c, %d, %r, %t<8>;
  .reg .b32 %w<8>; .reg .b16 %h<8>; .reg .pred %p, %q;
  ld.param.u64 %out, [out]; ld.param.u64 %a, [a]; ld.param.u64 %b, [b]; ld.param.u64 %c, [c];
  ld.param.u64 %d, [d];
  mov.b64 %r, 0;
)" + body + "\n  st.global.u64 [%out], %r;\n  ret;\n}\n";
    auto module = parse_module(text);
    load_module(*module);
    DeviceMemory& memory = DeviceMemory::instance();
    char* out = memory.allocate(64);
    Grid grid;
    grid.module = module.get();
    grid.entry = module->entry("test");
    grid.parameters.resize(40);
    const uint64_t address = uint64_t(out);
    std::memcpy(grid.parameters.data(), &address, 8);
    std::memcpy(grid.parameters.data() + 8, inputs.data(), 32);
    AccessChecker::instance().begin_operation(0);
    EXPECT_TRUE(run_grid(grid)) << body;
    uint64_t result;
    std::memcpy(&result, memory.place(address).data, 8);
    memory.free(out);
    return result;
  }
  template <class R, class... T>
  R eval(const std::string& body, T... inputs) {
    return from_register<R>(run(body, {to_register(inputs)...}));
  }
  std::mt19937_64 random{11};
};

template <class T>
const char* integer_name();
template <>
const char* integer_name<int16_t>() {
  return "s16";
}
template <>
const char* integer_name<uint16_t>() {
  return "u16";
}
template <>
const char* integer_name<int32_t>() {
  return "s32";
}
template <>
const char* integer_name<uint32_t>() {
  return "u32";
}
template <>
const char* integer_name<int64_t>() {
  return "s64";
}
template <>
const char* integer_name<uint64_t>() {
  return "u64";
}

template <class T>
class IntegerInstruction : public Instruction {
 protected:
  // Edges and random numbers, in pairs.
  std::vector<std::pair<T, T>> pairs() {
    std::vector<std::pair<T, T>> result;
    const T edges[] = {0, 1, 7, std::numeric_limits<T>::max(), std::numeric_limits<T>::min(), T(-1)};
    for (const T a : edges)
      for (const T b : edges) result.push_back({a, b});
    for (int k = 0; k < 20; ++k) result.push_back({T(this->random()), T(this->random() >> (k % 3 * 8))});
    return result;
  }
  void expect_binary(const std::string& name, T (*expected)(T, T)) {
    for (const auto& [a, b] : pairs())
      EXPECT_EQ(this->template eval<T>(name + "." + integer_name<T>() + " %r, %a, %b;", a, b), expected(a, b))
          << name << " " << a << " " << b;
  }
};
using Integers = ::testing::Types<int16_t, uint16_t, int32_t, uint32_t, int64_t, uint64_t>;
TYPED_TEST_SUITE(IntegerInstruction, Integers);

template <class T>
using U = std::make_unsigned_t<T>;

TYPED_TEST(IntegerInstruction, AddSubtractMultiply) {
  using T = TypeParam;
  this->expect_binary("add", [](T a, T b) { return T(U<T>(U<T>(a) + U<T>(b))); });
  this->expect_binary("sub", [](T a, T b) { return T(U<T>(U<T>(a) - U<T>(b))); });
  this->expect_binary("mul.lo", [](T a, T b) { return T(uint64_t(a) * uint64_t(b)); });
  this->expect_binary("mul.hi", [](T a, T b) {
    using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
    return T((Wide(a) * Wide(b)) >> (8 * sizeof(T)));
  });
}

TYPED_TEST(IntegerInstruction, DivideAndRemainder) {
  using T = TypeParam;
  const std::string type = integer_name<T>();
  for (const auto& [a, b] : this->pairs()) {
    if (b == 0 || (std::is_signed_v<T> && b == T(-1))) continue;
    EXPECT_EQ(this->template eval<T>("div." + type + " %r, %a, %b;", a, b), T(a / b));
    EXPECT_EQ(this->template eval<T>("rem." + type + " %r, %a, %b;", a, b), T(a % b));
  }
}

TYPED_TEST(IntegerInstruction, MinimumAndMaximum) {
  using T = TypeParam;
  this->expect_binary("min", [](T a, T b) { return std::min(a, b); });
  this->expect_binary("max", [](T a, T b) { return std::max(a, b); });
}

TYPED_TEST(IntegerInstruction, MultiplyAdd) {
  using T = TypeParam;
  const std::string type = integer_name<T>();
  for (const auto& [a, b] : this->pairs()) {
    EXPECT_EQ(this->template eval<T>("mad.lo." + type + " %r, %a, %b, %c;", a, b, T(5)),
              T(uint64_t(a) * uint64_t(b) + 5));
    if constexpr (sizeof(T) < 8) {
      using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
      const std::string wide = "mul.wide." + type + " %r, %a, %b;";
      const auto product = Wide(a) * Wide(b);
      if constexpr (sizeof(T) == 4) EXPECT_EQ(this->template eval<Wide>(wide, a, b), product);
      else EXPECT_EQ(this->template eval<uint32_t>(wide, a, b), uint32_t(product));
    }
  }
}

TYPED_TEST(IntegerInstruction, Shifts) {
  using T = TypeParam;
  const std::string type = integer_name<T>(), bits = "b" + std::to_string(8 * sizeof(T));
  for (const uint32_t count : {0u, 1u, 5u, 15u, 16u, 31u, 32u, 63u, 64u, 200u}) {
    const T a = T(this->random());
    const bool all = count >= 8 * sizeof(T);
    EXPECT_EQ(this->template eval<T>("shl." + bits + " %r, %a, %b;", a, count),
              all ? T(0) : T(uint64_t(a) << count));
    EXPECT_EQ(this->template eval<T>("shr." + type + " %r, %a, %b;", a, count),
              all ? T(a < 0 ? -1 : 0) : T(a >> count));
  }
}

TYPED_TEST(IntegerInstruction, Comparisons) {
  using T = TypeParam;
  for (const auto& [a, b] : this->pairs()) {
    const std::pair<const char*, bool> cases[] = {{"eq", a == b}, {"ne", a != b}, {"lt", a < b},
                                                  {"le", a <= b}, {"gt", a > b},  {"ge", a >= b}};
    for (const auto& [name, expected] : cases)
      EXPECT_EQ(this->template eval<uint32_t>(std::string("setp.") + name + "." + integer_name<T>() +
                                                  " %p, %a, %b; selp.b32 %r, 1, 0, %p;",
                                              a, b),
                uint32_t(expected));
  }
}

TYPED_TEST(IntegerInstruction, BitFields) {
  using T = TypeParam;
  if constexpr (sizeof(T) >= 4) {
    const std::string type = integer_name<T>();
    constexpr uint32_t width = 8 * sizeof(T);
    for (int k = 0; k < 40; ++k) {
      const T a = T(this->random()), b = T(this->random());
      const uint32_t at = uint32_t(this->random() % width),
                     count = uint32_t(1 + this->random() % (width - at));
      // The field moved to the top and back, which extends its sign.
      const T expected = T(T(U<T>(a) << (width - at - count)) >> (width - count));
      EXPECT_EQ(this->template eval<T>("bfe." + type + " %r, %a, %b, %c;", a, at, count), expected);
      const U<T> mask = U<T>((~U<T>(0) >> (width - count)) << at);
      EXPECT_EQ(this->template eval<U<T>>("bfi.b" + std::to_string(width) + " %r, %a, %b, %c, %d;", a, b, at,
                                          count),
                U<T>((U<T>(b) & ~mask) | ((U<T>(a) << at) & mask)));
    }
  }
}

TEST_F(Instruction, NegationAbsoluteValueAndAbsoluteDifference) {
  EXPECT_EQ(eval<int32_t>("neg.s32 %r, %a;", int32_t(-5)), 5);
  EXPECT_EQ(eval<int64_t>("abs.s64 %r, %a;", int64_t(-5)), 5);
  EXPECT_EQ(eval<int32_t>("abs.s32 %r, %a;", std::numeric_limits<int32_t>::min()),
            std::numeric_limits<int32_t>::min());
  EXPECT_EQ(eval<uint32_t>("sad.u32 %r, %a, %b, %c;", 3u, 10u, 100u), 107u);
  EXPECT_EQ(eval<int32_t>("add.sat.s32 %r, %a, %b;", 2000000000, 2000000000), 2147483647);
  EXPECT_EQ(eval<int32_t>("sub.sat.s32 %r, %a, %b;", -2000000000, 2000000000),
            std::numeric_limits<int32_t>::min());
}

TEST_F(Instruction, CarryJoinsTwoAdditions) {
  const uint64_t a = 0xfedcba9876543210, b = 0x0123456f89abcdef;
  const std::string split = "mov.b64 {%w0, %w1}, %a; mov.b64 {%w2, %w3}, %b; ",
                    join = " mov.b64 %r, {%w4, %w5};";
  EXPECT_EQ(eval<uint64_t>(split + "add.cc.u32 %w4, %w0, %w2; addc.u32 %w5, %w1, %w3;" + join, a, b), a + b);
  EXPECT_EQ(eval<uint64_t>(split + "sub.cc.u32 %w4, %w0, %w2; subc.u32 %w5, %w1, %w3;" + join, a, b), a - b);
  const std::string product =
      "mul.lo.u32 %w4, %w0, %w2; mul.hi.u32 %w5, %w0, %w2; mad.lo.cc.u32 %w5, %w0, %w3, %w5; "
      "madc.hi.u32 %w6, %w0, %w3, 0; mad.lo.cc.u32 %w5, %w1, %w2, %w5;";
  EXPECT_EQ(eval<uint64_t>(split + product + join, a, b), a * b);
}

TEST_F(Instruction, Logic) {
  const uint64_t a = random(), b = random();
  EXPECT_EQ(run("and.b64 %r, %a, %b;", {a, b}), a & b);
  EXPECT_EQ(run("or.b64 %r, %a, %b;", {a, b}), a | b);
  EXPECT_EQ(run("xor.b32 %r, %a, %b;", {uint32_t(a), uint32_t(b)}), uint32_t(a) ^ uint32_t(b));
  EXPECT_EQ(run("not.b32 %r, %a;", {uint32_t(a)}), uint32_t(~a));
  EXPECT_EQ(run("not.b64 %r, %a;", {a}), ~a);
  EXPECT_EQ(run("cnot.b32 %r, %a;", {0}), 1u);
  EXPECT_EQ(run("lop3.b32 %r, %a, %b, %c, 0x96;", {0xf0f0, 0xcccc, 0xaaaa}), (0xf0f0 ^ 0xcccc ^ 0xaaaau));
  EXPECT_EQ(run("setp.eq.u32 %p, 1, 1; not.pred %q, %p; or.pred %q, %q, %p; and.pred %q, %q, %p; xor.pred "
                "%q, %q, 0; "
                "@%q mov.b64 %r, 7; @!%q mov.b64 %r, 8;",
                {}),
            7u);
}

TEST_F(Instruction, CountingAndReversingBits) {
  for (int k = 0; k < 20; ++k) {
    const uint64_t v = random() >> (k * 3);
    const auto w = uint32_t(v);
    EXPECT_EQ(run("popc.b64 %r, %a;", {v}), uint64_t(__builtin_popcountll(v)));
    EXPECT_EQ(run("clz.b64 %r, %a;", {v}), uint64_t(__builtin_clzll(v)));
    EXPECT_EQ(run("clz.b32 %r, %a;", {w}), uint64_t(w ? __builtin_clz(w) : 32));
    EXPECT_EQ(run("bfind.u64 %r, %a;", {v}), uint64_t(63 - __builtin_clzll(v)));
    uint32_t reversed = 0;
    for (int n = 0; n < 32; ++n) reversed |= (w >> n & 1) << (31 - n);
    EXPECT_EQ(run("brev.b32 %r, %a;", {w}), reversed);
  }
  EXPECT_EQ(run("clz.b32 %r, %a;", {0}), 32u);
  EXPECT_EQ(run("bfind.u32 %r, %a;", {0}), 0xffffffffu);
  EXPECT_EQ(run("bfind.shiftamt.u32 %r, %a;", {1}), 31u);
  EXPECT_EQ(run("bmsk.clamp.b32 %r, %a, %b;", {4, 8}), 0xff0u);
  EXPECT_EQ(run("bmsk.clamp.b32 %r, %a, %b;", {28, 8}), 0xf0000000u);
  EXPECT_EQ(run("fns.b32 %r, %a, %b, %c;", {0b101100, 0, 2}), 3u);
}

TEST_F(Instruction, PermutedBytes) {
  const uint64_t a = 0x33221100, b = 0x77665544;
  EXPECT_EQ(run("prmt.b32 %r, %a, %b, %c;", {a, b, 0x7531}), 0x77553311u);
  EXPECT_EQ(run("prmt.b32 %r, %a, %b, %c;", {0x80, 0, 0x8888}), 0xffffffffu);
  EXPECT_EQ(run("prmt.b32.f4e %r, %a, %b, %c;", {a, b, 1}), 0x44332211u);
  EXPECT_EQ(run("prmt.b32.rc8 %r, %a, %b, %c;", {a, b, 2}), 0x22222222u);
}

TEST_F(Instruction, FunnelShift) {
  EXPECT_EQ(run("shf.l.wrap.b32 %r, %a, %b, %c;", {0x80000001, 0x12345678, 4}), 0x23456788u);
  EXPECT_EQ(run("shf.r.wrap.b32 %r, %a, %b, %c;", {0x80000001, 0x12345678, 4}), 0x88000000u);
  EXPECT_EQ(run("shf.r.clamp.b32 %r, %a, %b, %c;", {0x80000001, 0x12345678, 40}), 0x12345678u);
}

TEST_F(Instruction, MovesAndSelections) {
  EXPECT_EQ(run("mov.b64 {%w0, %w1}, %a; mov.b64 %r, {%w1, %w0};", {0x1111111122222222}),
            0x2222222211111111u);
  EXPECT_EQ(run("mov.b32 {%h0, %h1}, %a; mov.b32 %r, {%h1, %h0};", {0x11112222}), 0x22221111u);
  EXPECT_EQ(run("mov.b64 {%h0, %h1, %h2, %h3}, %a; mov.b64 %r, {%h3, %h2, %h1, %h0};", {0x1111222233334444}),
            0x4444333322221111u);
  EXPECT_EQ(eval<double>("mov.f64 %r, 0d3FF8000000000000;"), 1.5);
  EXPECT_EQ(eval<float>("mov.f32 %r, 0f3FC00000;"), 1.5f);
  EXPECT_EQ(run("slct.u32.s32 %r, %a, %b, %c;", {1, 2, uint32_t(-1)}), 2u);
  EXPECT_EQ(run("mov.u32 %r, %ntid.x;", {}), 1u);
  EXPECT_EQ(run("mov.u32 %r, %lanemask_lt;", {}), 0u);
}

template <class T>
class FloatInstruction : public Instruction {
 protected:
  static std::string type() { return sizeof(T) == 8 ? "f64" : "f32"; }
  std::vector<T> values() {
    std::vector<T> result{T(0),
                          T(-0.0),
                          T(1),
                          T(-2.5),
                          std::numeric_limits<T>::infinity(),
                          -std::numeric_limits<T>::infinity(),
                          std::numeric_limits<T>::quiet_NaN(),
                          std::numeric_limits<T>::max(),
                          std::numeric_limits<T>::denorm_min()};
    std::normal_distribution<T> normal(0, 100);
    for (int k = 0; k < 8; ++k) result.push_back(normal(this->random));
    return result;
  }
  void expect_same(T got, T expected, const std::string& what) {
    using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    if (std::isnan(expected)) EXPECT_TRUE(std::isnan(got)) << what;
    else EXPECT_EQ(std::bit_cast<Bits>(got), std::bit_cast<Bits>(expected)) << what << " gave " << got;
  }
};
using Floats = ::testing::Types<float, double>;
TYPED_TEST_SUITE(FloatInstruction, Floats);

TYPED_TEST(FloatInstruction, Arithmetic) {
  using T = TypeParam;
  const auto name = [&](const char* op) { return std::string(op) + "." + this->type() + " %r, %a, %b;"; };
  for (const T a : this->values())
    for (const T b : this->values()) {
      this->expect_same(this->template eval<T>(name("add.rn"), a, b), a + b, "add");
      this->expect_same(this->template eval<T>(name("sub"), a, b), a - b, "sub");
      this->expect_same(this->template eval<T>(name("mul"), a, b), a * b, "mul");
      this->expect_same(this->template eval<T>(name("div.rn"), a, b), a / b, "div");
      this->expect_same(this->template eval<T>("fma.rn." + this->type() + " %r, %a, %b, %c;", a, b, T(0.3)),
                        std::fma(a, b, T(0.3)), "fma");
      if (!(a == 0 && b == 0)) {
        this->expect_same(this->template eval<T>(name("min"), a, b), std::fmin(a, b), "min");
        this->expect_same(this->template eval<T>(name("max"), a, b), std::fmax(a, b), "max");
      }
    }
}

TYPED_TEST(FloatInstruction, SignsAndRoots) {
  using T = TypeParam;
  const auto name = [&](const char* op) { return std::string(op) + "." + this->type() + " %r, %a;"; };
  for (const T a : this->values()) {
    this->expect_same(this->template eval<T>(name("abs"), a), std::abs(a), "abs");
    this->expect_same(this->template eval<T>(name("neg"), a), -a, "neg");
    this->expect_same(this->template eval<T>(name("sqrt.rn"), a), std::sqrt(a), "sqrt");
    this->expect_same(this->template eval<T>(name("rcp.rn"), a), T(1) / a, "rcp");
    this->expect_same(this->template eval<T>("copysign." + this->type() + " %r, %b, %a;", a, T(-3)),
                      std::copysign(a, T(-3)), "copysign");
  }
}

TYPED_TEST(FloatInstruction, ComparisonsOrderNaNAsThePostfixSays) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto holds = [&](const char* op, T a, T b) {
    return this->template eval<uint32_t>(
               std::string("setp.") + op + "." + this->type() + " %p, %a, %b; selp.b32 %r, 1, 0, %p;", a,
               b) != 0;
  };
  for (const char* op : {"eq", "ne", "lt", "le", "gt", "ge", "num"}) EXPECT_FALSE(holds(op, nan, T(1))) << op;
  for (const char* op : {"equ", "neu", "ltu", "leu", "gtu", "geu", "nan"})
    EXPECT_TRUE(holds(op, nan, T(1))) << op;
  EXPECT_TRUE(holds("lt", T(1), T(2)) && holds("geu", T(2), T(2)) && !holds("gt", T(1), T(2)));
}

TEST_F(Instruction, DirectedRounding) {
  const float a = 1.0f, b = 0x1p-30f;
  EXPECT_EQ(eval<float>("add.rz.f32 %r, %a, %b;", a, b), 1.0f);
  EXPECT_EQ(eval<float>("add.rp.f32 %r, %a, %b;", a, b), std::nextafter(1.0f, 2.0f));
  EXPECT_EQ(eval<float>("fma.rm.f32 %r, %a, %a, %b;", a, -b), std::nextafter(1.0f, 0.0f));
  EXPECT_EQ(eval<double>("div.rp.f64 %r, %a, %b;", 1.0, 3.0), std::nextafter(1.0 / 3.0, 1.0));
}

TEST_F(Instruction, FlushingAndSaturation) {
  EXPECT_EQ(eval<float>("add.ftz.f32 %r, %a, %b;", 1e-40f, 0.0f), 0.0f);
  EXPECT_EQ(eval<float>("add.sat.f32 %r, %a, %b;", 3.0f, 4.0f), 1.0f);
  EXPECT_EQ(eval<float>("fma.rn.sat.f32 %r, %a, %b, %a;", -3.0f, 4.0f), 0.0f);
}

TEST_F(Instruction, ApproximateFunctionsAreRoundedOnce) {
  for (const float x : {0.1f, 0.7f, 1.0f, 3.3f}) {
    EXPECT_EQ(eval<float>("ex2.approx.f32 %r, %a;", x), float(std::exp2(double(x))));
    EXPECT_EQ(eval<float>("lg2.approx.f32 %r, %a;", x), float(std::log2(double(x))));
    EXPECT_EQ(eval<float>("sin.approx.f32 %r, %a;", x), float(std::sin(double(x))));
    EXPECT_EQ(eval<float>("cos.approx.f32 %r, %a;", x), float(std::cos(double(x))));
    EXPECT_EQ(eval<float>("tanh.approx.f32 %r, %a;", x), float(std::tanh(double(x))));
    EXPECT_EQ(eval<float>("rsqrt.approx.f32 %r, %a;", x), float(1 / std::sqrt(double(x))));
    EXPECT_EQ(eval<float>("rcp.approx.ftz.f32 %r, %a;", x), 1 / x);
    EXPECT_EQ(eval<float>("sqrt.approx.f32 %r, %a;", x), std::sqrt(x));
    EXPECT_EQ(eval<float>("div.approx.f32 %r, %a, %b;", x, 3.0f), x / 3.0f);
    EXPECT_EQ(eval<float>("div.full.f32 %r, %a, %b;", x, 3.0f), x / 3.0f);
  }
  const uint64_t half = std::bit_cast<uint64_t>(1.0 / 3.0) & 0xffffffff00000000u;
  EXPECT_EQ(run("rcp.approx.ftz.f64 %r, %a;", {std::bit_cast<uint64_t>(3.0)}), half);
}

// _Float16 has no name for GoogleTest.
struct HalfTag {
  using Type = Half;
};
struct BfloatTag {
  using Type = Bfloat16;
};

template <class Tag>
class SmallFloatInstruction : public Instruction {
 protected:
  static std::string type() { return std::is_same_v<Tag, HalfTag> ? "f16" : "bf16"; }
};
using SmallFloats = ::testing::Types<HalfTag, BfloatTag>;
TYPED_TEST_SUITE(SmallFloatInstruction, SmallFloats);

TYPED_TEST(SmallFloatInstruction, ArithmeticRoundsOnce) {
  using T = typename TypeParam::Type;
  std::normal_distribution<double> normal(0, 3);
  for (int k = 0; k < 30; ++k) {
    const T a = T(normal(this->random)), b = T(normal(this->random)), c = T(normal(this->random));
    const double x = double(a), y = double(b), z = double(c);
    const auto same = [&](const std::string& body, double expected) {
      EXPECT_EQ(double(this->template eval<T>(body, a, b, c)), double(T(expected))) << body;
    };
    same("add." + this->type() + " %r, %a, %b;", x + y);
    same("sub." + this->type() + " %r, %a, %b;", x - y);
    same("mul." + this->type() + " %r, %a, %b;", x * y);
    same("fma.rn." + this->type() + " %r, %a, %b, %c;", x * y + z);
    same("min." + this->type() + " %r, %a, %b;", std::min(x, y));
    same("max." + this->type() + " %r, %a, %b;", std::max(x, y));
    same("neg." + this->type() + " %r, %a;", -x);
    same("abs." + this->type() + " %r, %a;", std::abs(x));
  }
}

TYPED_TEST(SmallFloatInstruction, PairsAreTwoOperations) {
  using T = typename TypeParam::Type;
  const auto pack = [](double low, double high) {
    return uint64_t(std::bit_cast<uint16_t>(T(low))) | uint64_t(std::bit_cast<uint16_t>(T(high))) << 16;
  };
  const std::string type = this->type() + "x2";
  EXPECT_EQ(this->run("fma.rn." + type + " %r, %a, %b, %c;", {pack(2, 3), pack(4, 5), pack(1, -1)}),
            pack(9, 14));
  EXPECT_EQ(this->run("max." + type + " %r, %a, %b;", {pack(2, 3), pack(4, -5)}), pack(4, 3));
  EXPECT_EQ(this->run("cvt.rn." + type + ".f32 %r, %a, %b;", {to_register(1.5f), to_register(-2.0f)}),
            pack(-2, 1.5));
}

TYPED_TEST(SmallFloatInstruction, Conversions) {
  using T = typename TypeParam::Type;
  const std::string type = this->type();
  for (const float x : {0.1f, 1.0f / 3, 65504.0f, 1e-7f, -2.5f, 1e30f}) {
    const T expected = T(double(x));
    EXPECT_EQ(this->run("cvt.rn." + type + ".f32 %r, %a;", {to_register(x)}), to_register(expected));
    EXPECT_EQ((this->template eval<float>("cvt.f32." + type + " %r, %a;", expected)), float(expected));
  }
}

TEST_F(Instruction, BfloatRoundsToNearestEven) {
  // 1 + 2^-8 is halfway between 1 and 1 + 2^-7; a bit more is not.
  EXPECT_EQ(run("cvt.rn.bf16.f32 %r, %a;", {to_register(1.0f + 0x1p-8f)}), 0x3f80u);
  EXPECT_EQ(run("cvt.rn.bf16.f32 %r, %a;", {to_register(1.0f + 0x1p-8f + 0x1p-20f)}), 0x3f81u);
  EXPECT_EQ(run("cvt.rn.bf16.f32 %r, %a;", {to_register(1.0f + 3 * 0x1p-8f)}), 0x3f82u);
}

TEST_F(Instruction, ConversionsBetweenFloatsAndIntegers) {
  EXPECT_EQ(eval<int32_t>("cvt.rzi.s32.f32 %r, %a;", -2.7f), -2);
  EXPECT_EQ(eval<int32_t>("cvt.rni.s32.f32 %r, %a;", 2.5f), 2);
  EXPECT_EQ(eval<int32_t>("cvt.rmi.s32.f64 %r, %a;", -2.1), -3);
  EXPECT_EQ(eval<int32_t>("cvt.rpi.s32.f64 %r, %a;", 2.1), 3);
  EXPECT_EQ(eval<int32_t>("cvt.rzi.s32.f32 %r, %a;", 1e20f), std::numeric_limits<int32_t>::max());
  EXPECT_EQ(eval<uint32_t>("cvt.rzi.u32.f32 %r, %a;", -5.0f), 0u);
  EXPECT_EQ(eval<int32_t>("cvt.rzi.s32.f32 %r, %a;", std::numeric_limits<float>::quiet_NaN()), 0);
  EXPECT_EQ(eval<float>("cvt.rn.f32.s64 %r, %a;", int64_t(123456789012345)), float(123456789012345));
  EXPECT_EQ(eval<float>("cvt.rz.f32.u32 %r, %a;", 4294967295u), std::nextafter(4294967296.0f, 0.0f));
  EXPECT_EQ(eval<double>("cvt.rn.f64.u64 %r, %a;", ~uint64_t(0)), 0x1p64);
  EXPECT_EQ(eval<float>("cvt.rni.f32.f32 %r, %a;", 3.5f), 4.0f);
  EXPECT_EQ(eval<float>("cvt.rmi.f32.f32 %r, %a;", -3.5f), -4.0f);
  EXPECT_EQ(eval<float>("cvt.rn.f32.f64 %r, %a;", 0.1), 0.1f);
  EXPECT_EQ(eval<float>("cvt.rp.f32.f64 %r, %a;", 0.1), 0.1f);
  EXPECT_EQ(eval<float>("cvt.rm.f32.f64 %r, %a;", 0.1), std::nextafter(0.1f, 0.0f));
  EXPECT_EQ(eval<double>("cvt.f64.f32 %r, %a;", 0.1f), double(0.1f));
  EXPECT_EQ(eval<float>("cvt.sat.f32.f32 %r, %a;", -0.5f), 0.0f);
}

TEST_F(Instruction, ConversionsBetweenIntegers) {
  EXPECT_EQ(eval<int64_t>("cvt.s64.s32 %r, %a;", int32_t(-7)), -7);
  EXPECT_EQ(eval<uint64_t>("cvt.u64.u32 %r, %a;", uint32_t(-7)), uint64_t(uint32_t(-7)));
  EXPECT_EQ(eval<int32_t>("cvt.s32.s8 %r, %a;", uint32_t(0xff)), -1);
  EXPECT_EQ(eval<uint32_t>("cvt.u32.u16 %r, %a;", uint32_t(0x1ffff)), 0xffffu);
  EXPECT_EQ(eval<int32_t>("cvt.sat.s8.s32 %r, %a;", 300), 127);
}

TEST_F(Instruction, SetWritesAValue) {
  EXPECT_EQ(run("set.lt.u32.f32 %r, %a, %b;", {to_register(1.0f), to_register(2.0f)}), 0xffffffffu);
  EXPECT_EQ(eval<float>("set.gt.f32.s32 %r, %a, %b;", 3, 2), 1.0f);
  EXPECT_EQ(run("set.eq.f16.f16 %r, %a, %b;", {0x3c00, 0x3c00}), 0x3c00u);
  EXPECT_EQ(run("testp.infinite.f32 %p, %a; selp.b32 %r, 1, 0, %p;", {0x7f800000}), 1u);
  EXPECT_EQ(run("setp.lt.and.s32 %p|%q, %a, %b, 1; selp.b32 %w0, 1, 0, %p; selp.b32 %w1, 1, 0, %q; mov.b64 "
                "%r, {%w0, %w1};",
                {1, 2}),
            1u);
}

TEST_F(Instruction, LoadsAndStoresOfAllWidths) {
  const std::string memory =
      ".shared .align 16 .b8 s[64];\n.global .align 8 .b8 g[16] = {1, 2, 3, 4, 5, 6, 7, 0xf8};";
  const auto shared = [&](const std::string& body, std::vector<uint64_t> in) {
    return run(body, in, memory);
  };
  EXPECT_EQ(shared("st.shared.u8 [s+3], %a; ld.shared.s8 %r, [s+3];", {0x80}), uint64_t(-128));
  EXPECT_EQ(
      shared("st.shared.v2.u32 [s], {%a, %b}; ld.shared.v2.u32 {%w0, %w1}, [s]; mov.b64 %r, {%w1, %w0};",
             {1, 2}),
      0x100000002u);
  EXPECT_EQ(shared("st.shared.v4.b32 [s+16], {%a, %b, %c, %d}; ld.shared.u64 %r, [s+24];", {1, 2, 3, 4}),
            0x400000003u);
  EXPECT_EQ(shared("mov.u64 %t0, g; ld.global.u64 %r, [%t0];", {}), 0xf807060504030201u);
  EXPECT_EQ(shared("ld.global.s8 %r, [g+7];", {}), uint64_t(-8));
  EXPECT_EQ(shared("mov.u64 %t0, s; cvta.shared.u64 %t1, %t0; st.u32 [%t1+4], %a; ld.shared.u32 %r, [s+4]; "
                   "isspacep.shared %p, %t1; @!%p mov.b64 %r, 0;",
                   {77}),
            77u);
  EXPECT_EQ(
      shared("{ .local .align 8 .b8 l[16]; st.local.u64 [l+8], %a; mov.u64 %t0, l; cvta.local.u64 %t1, %t0; "
             "ld.u64 %r, [%t1+8]; }",
             {99}),
      99u);
}

TEST_F(Instruction, AtomicOperations) {
  const std::string memory = ".global .align 8 .b8 g[8];";
  const auto atomic = [&](const std::string& type, const std::string& op, uint64_t before, uint64_t b,
                          uint64_t c = 0) {
    const std::string bits = size_of(type_named(type)) == 8   ? "u64"
                             : size_of(type_named(type)) == 4 ? "u32"
                                                              : "u16";
    const std::string third = op == "cas" ? ", %c" : "";
    const uint64_t after = run("st.global." + bits + " [g], %a; atom.global." + op + "." + type +
                                   " %t0, [g], %b" + third + "; ld.global." + bits + " %r, [g];",
                               {before, b, c}, memory);
    const uint64_t old =
        run("st.global." + bits + " [g], %a; atom.global." + op + "." + type + " %r, [g], %b" + third + ";",
            {before, b, c}, memory);
    EXPECT_EQ(old, before) << op << type;
    return after;
  };
  EXPECT_EQ(atomic("u32", "add", 5, 7), 12u);
  EXPECT_EQ(atomic("u64", "add", 5, ~0ull), 4u);
  EXPECT_EQ(atomic("f32", "add", to_register(1.5f), to_register(2.0f)), to_register(3.5f));
  EXPECT_EQ(atomic("f64", "add", to_register(1.5), to_register(2.0)), to_register(3.5));
  EXPECT_EQ(atomic("f16", "add", to_register(Half(1.5)), to_register(Half(2.0))), to_register(Half(3.5)));
  EXPECT_EQ(atomic("f16x2", "add", 0x3c003c00, 0x3c004000), 0x40004200u);
  EXPECT_EQ(atomic("s32", "min", 5, uint32_t(-3)), uint32_t(-3));
  EXPECT_EQ(atomic("u32", "max", 5, uint32_t(-3)), uint32_t(-3));
  EXPECT_EQ(atomic("s64", "max", 5, uint64_t(-3)), 5u);
  EXPECT_EQ(atomic("b32", "and", 6, 3), 2u);
  EXPECT_EQ(atomic("b32", "or", 6, 3), 7u);
  EXPECT_EQ(atomic("b64", "xor", 6, 3), 5u);
  EXPECT_EQ(atomic("b32", "exch", 6, 3), 3u);
  EXPECT_EQ(atomic("b32", "cas", 6, 6, 9), 9u);
  EXPECT_EQ(atomic("b16", "cas", 6, 5, 9), 6u);
  EXPECT_EQ(atomic("u32", "inc", 6, 6), 0u);
  EXPECT_EQ(atomic("u32", "dec", 0, 6), 6u);
  EXPECT_EQ(run("st.global.u32 [g], 1; red.global.add.u32 [g], %a; membar.gl; fence.acq_rel.gpu; "
                "ld.global.u32 %r, [g];",
                {41}, memory),
            42u);
}

TEST_F(Instruction, CallsPassParametersAndKeepTheCallersRegisters) {
  const std::string factorial = R"(
.func (.param .b64 result) factorial(.param .b64 n)
{
  .reg .b64 %n<4>; .reg .pred %p;
  ld.param.u64 %n0, [n];
  setp.gt.u64 %p, %n0, 1;
  @%p bra $more;
  st.param.b64 [result], 1;
  ret;
$more:
  sub.u64 %n1, %n0, 1;
  { .param .b64 argument; .param .b64 value;
    st.param.b64 [argument], %n1;
    call.uni (value), factorial, (argument);
    ld.param.b64 %n2, [value]; }
  mul.lo.u64 %n3, %n2, %n0;
  st.param.b64 [result], %n3;
  ret;
})";
  EXPECT_EQ(run("{ .param .b64 x; .param .b64 y; st.param.b64 [x], %a; call.uni (y), factorial, (x); "
                "ld.param.b64 %r, [y]; }",
                {10}, factorial),
            3628800u);
  EXPECT_EQ(run("mov.u64 %t0, factorial; { .param .b64 x; .param .b64 y; st.param.b64 [x], %a; "
                "call (y), %t0, (x), kind; ld.param.b64 %r, [y]; }",
                {5}, factorial),
            120u);
}

TEST_F(Instruction, RegistersBetweenBracesAreOtherOnesThanThoseOutside) {
  EXPECT_EQ(run("mov.b64 %t0, 5; { .reg .b64 %t0, %inner; mov.b64 %t0, 7; mov.b64 %inner, %t0; "
                "add.u64 %r, %r, %inner; } { .reg .b64 %t<2>; mov.b64 %t1, 100; } add.u64 %r, %r, %t0;",
                {}),
            12u);
}

TEST_F(Instruction, BranchesByTable) {
  const std::string body =
      "targets: .branchtargets $zero, $one; brx.idx %a, targets; $zero: mov.b64 %r, 10; bra $end; "
      "$one: mov.b64 %r, 11; $end:";
  EXPECT_EQ(run(body, {0}), 10u);
  EXPECT_EQ(run(body, {1}), 11u);
}

TEST_F(Instruction, UnknownInstructionStopsTheKernelWithItsText) {
  auto module = parse_module(
      ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry test()\n{\n  "
      "wgmma.fence.sync.aligned;\n  ret;\n}\n");
  load_module(*module);
  Grid grid;
  grid.module = module.get();
  grid.entry = module->entry("test");
  EXPECT_FALSE(run_grid(grid));
  EXPECT_NE(
      device_sim_tests::findings().find(
          "unknown-instruction: the interpreter has no such instruction, at test (wgmma.fence.sync.aligned)"),
      std::string::npos);
  device_sim_clear();
}

}  // namespace
