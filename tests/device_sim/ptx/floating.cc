// Floating-point arithmetic (PTX ISA 9.7.3 to 9.7.5). The approximate functions are computed exactly and
// rounded once: their error bounds on a device are not imitated.
#include <cfenv>
#include <cmath>

#include "executor.h"

namespace device_sim {
namespace {

// The type in which one operation on T is computed before it is rounded to T.
template <class T>
using Work = std::conditional_t<is_small_float<T>, float, T>;
template <class T>
using FmaWork = std::conditional_t<is_small_float<T>, double, T>;

template <class T>
T flushed(T value, uint16_t flags) {
  if constexpr (std::is_same_v<T, float>) {
    if ((flags & flag_flush) && std::abs(value) < std::numeric_limits<float>::min())
      return std::copysign(0.0f, value);
  }
  return value;
}

template <class T>
T argument(const Thread& t, const Instruction& i, size_t n) {
  return flushed(read<T>(t, i.operands[n]), i.flags);
}

// Stores a result: NaN in its one form, tiny numbers flushed and [0, 1] kept where the instruction says so.
template <class T, class W>
void finish(Thread& t, const Instruction& i, W result) {
  T value = is_nan(result) ? canonical_nan<T>() : flushed(T(result), i.flags);
  if (i.flags & flag_saturate) {
    if (is_nan(value) || value < T(0.0f)) value = T(0.0f);
    else if (value > T(1.0f)) value = T(1.0f);
  }
  write<T>(t, i.operands[0], value);
}

// Directed rounding is rare, so it is switched on around the one operation.
template <class F>
auto with_rounding(uint8_t variant, F f) {
  if (variant == 0) return f();
  constexpr int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
  std::fesetround(modes[variant & 3]);
  auto result = f();
  // Keeps the operation before the return to the usual mode.
  asm volatile("" : "+x"(result));
  std::fesetround(FE_TONEAREST);
  return result;
}

template <class W>
W hidden(W value) {
  asm volatile("" : "+x"(value));
  return value;
}

struct Add {
  template <class W>
  W operator()(W a, W b) const {
    return a + b;
  }
};
struct Subtract {
  template <class W>
  W operator()(W a, W b) const {
    return a - b;
  }
};
struct Multiply {
  template <class W>
  W operator()(W a, W b) const {
    return a * b;
  }
};
struct Divide {
  template <class W>
  W operator()(W a, W b) const {
    return a / b;
  }
};

template <class T, class F>
void arithmetic(Thread& t, const Instruction& i) {
  using W = Work<T>;
  const W a = W(argument<T>(t, i, 1)), b = W(argument<T>(t, i, 2));
  if (i.variant == 0) return finish<T>(t, i, F()(a, b));
  finish<T>(t, i, with_rounding(i.variant, [&] { return F()(hidden(a), hidden(b)); }));
}

template <class T>
void fused_multiply_add(Thread& t, const Instruction& i) {
  using W = FmaWork<T>;
  const W a = W(argument<T>(t, i, 1)), b = W(argument<T>(t, i, 2)), c = W(argument<T>(t, i, 3));
  W sum;
  if constexpr (is_small_float<T>) sum = a * b + c;
  else if (i.variant == 0) sum = std::fma(a, b, c);
  else sum = with_rounding(i.variant, [&] { return std::fma(hidden(a), hidden(b), hidden(c)); });
  if (i.flags & flag_second) sum = sum > 0 || is_nan(sum) ? sum : W(0);  // .relu
  finish<T>(t, i, sum);
}

// min and max skip NaN unless the instruction says .NaN; -0 is below +0.
template <class T, bool Greater>
T extremum(T a, T b, bool keeps_nan) {
  if (is_nan(a) || is_nan(b)) {
    if (keeps_nan || (is_nan(a) && is_nan(b))) return canonical_nan<T>();
    return is_nan(a) ? b : a;
  }
  if (a == b) return std::signbit(float(a)) == Greater ? b : a;
  return (a > b) == Greater ? a : b;
}
template <class T, bool Greater>
void min_max(Thread& t, const Instruction& i) {
  T value = extremum<T, Greater>(argument<T>(t, i, 1), argument<T>(t, i, 2), i.flags & flag_wide);
  if (i.operands.size() > 3) value = extremum<T, Greater>(value, argument<T>(t, i, 3), i.flags & flag_wide);
  write<T>(t, i.operands[0], value);
}

template <class T>
using Bits =
    std::conditional_t<sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;
template <class T>
constexpr Bits<T> sign_bit = Bits<T>(Bits<T>(1) << (8 * sizeof(T) - 1));

template <class T>
void negate(Thread& t, const Instruction& i) {
  const T v = argument<T>(t, i, 1);
  write<T>(t, i.operands[0], std::bit_cast<T>(Bits<T>(std::bit_cast<Bits<T>>(v) ^ sign_bit<T>)));
}
template <class T>
void absolute(Thread& t, const Instruction& i) {
  const T v = argument<T>(t, i, 1);
  write<T>(t, i.operands[0], std::bit_cast<T>(Bits<T>(std::bit_cast<Bits<T>>(v) & ~sign_bit<T>)));
}
template <class T>
void copy_sign(Thread& t, const Instruction& i) {
  const auto sign = std::bit_cast<Bits<T>>(read<T>(t, i.operands[1])),
             v = std::bit_cast<Bits<T>>(read<T>(t, i.operands[2]));
  write<T>(t, i.operands[0], std::bit_cast<T>(Bits<T>((v & ~sign_bit<T>) | (sign & sign_bit<T>))));
}

template <class T, class F>
void function(Thread& t, const Instruction& i) {
  const T x = argument<T>(t, i, 1);
  if constexpr (std::is_same_v<T, float>) {
    if (i.variant) return finish<T>(t, i, with_rounding(i.variant, [&] { return F()(hidden(x)); }));
  }
  finish<T>(t, i, T(F()(FmaWork<T>(x))));
}
template <class T, class F>
void approximation(Thread& t, const Instruction& i) {
  finish<T>(t, i, T(F()(double(argument<T>(t, i, 1)))));
}

struct Reciprocal {
  template <class W>
  W operator()(W x) const {
    return W(1) / x;
  }
};
struct SquareRoot {
  template <class W>
  W operator()(W x) const {
    return std::sqrt(x);
  }
};
struct ReciprocalRoot {
  template <class W>
  W operator()(W x) const {
    return W(1) / std::sqrt(x);
  }
};
struct Exp2 {
  template <class W>
  W operator()(W x) const {
    return std::exp2(x);
  }
};
struct Log2 {
  template <class W>
  W operator()(W x) const {
    return std::log2(x);
  }
};
struct Sine {
  template <class W>
  W operator()(W x) const {
    return std::sin(x);
  }
};
struct Cosine {
  template <class W>
  W operator()(W x) const {
    return std::cos(x);
  }
};
struct Tanh {
  template <class W>
  W operator()(W x) const {
    return std::tanh(x);
  }
};

// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64 give the upper 32 bits of the result only.
template <class F>
void upper_half(Thread& t, const Instruction& i) {
  const double x = read<double>(t, i.operands[1]);
  const bool tiny = std::abs(x) < std::numeric_limits<double>::min();
  const double r = F()(tiny ? std::copysign(0.0, x) : x);
  const uint64_t bits = std::bit_cast<uint64_t>(is_nan(r) ? canonical_nan<double>() : r);
  write<uint64_t>(t, i.operands[0], bits & 0xffffffff00000000ull);
}

// Operations on two halves at once run the operation on one half twice.
template <class T, Handler One>
void both_halves(Thread& t, const Instruction& i) {
  uint64_t saved[4] = {}, parts[2];
  for (size_t n = 1; n < i.operands.size(); ++n) saved[n] = t.banks[i.operands[n].bank][i.operands[n].index];
  uint64_t scratch[4];
  Thread& thread = t;
  uint64_t* const registers = thread.registers;
  const uint64_t* const banks[4] = {thread.banks[0], thread.banks[1], thread.banks[2], thread.banks[3]};
  Instruction single = i;
  for (size_t n = 0; n < single.operands.size(); ++n)
    single.operands[n] = {register_bank, false, false, uint32_t(n)};
  for (int half = 0; half < 2; ++half) {
    for (size_t n = 1; n < i.operands.size(); ++n) scratch[n] = saved[n] >> (16 * half) & 0xffff;
    thread.registers = scratch, thread.banks[register_bank] = scratch;
    One(thread, single);
    parts[half] = scratch[0] & 0xffff;
    thread.registers = registers, thread.banks[register_bank] = banks[register_bank];
  }
  registers[i.operands[0].index] = parts[0] | parts[1] << 16;
}

uint8_t rounding_of(const Opcode& opcode) {
  return opcode.has("rz") ? 1 : opcode.has("rm") ? 2 : opcode.has("rp") ? 3 : 0;
}

#define DEVICE_SIM_FLOATING(...)                                                                          \
  [&]() -> Handler {                                                                                      \
    if (const Handler pair = for_pair(                                                                    \
            type, []<class T>(std::type_identity<T>) -> Handler { return both_halves<T, __VA_ARGS__>; })) \
      return pair;                                                                                        \
    return for_floating(type, []<class T>(std::type_identity<T>) -> Handler { return __VA_ARGS__; });     \
  }()

Handler decode_approximation(std::string_view name, const Opcode& opcode, Type type) {
  if (type == Type::f64 && opcode.has("ftz")) {
    if (name == "rcp") return upper_half<Reciprocal>;
    if (name == "rsqrt") return upper_half<ReciprocalRoot>;
  }
  if (name == "rcp") return DEVICE_SIM_FLOATING(function<T, Reciprocal>);
  if (name == "sqrt") return DEVICE_SIM_FLOATING(function<T, SquareRoot>);
  if (name == "rsqrt") return DEVICE_SIM_FLOATING(approximation<T, ReciprocalRoot>);
  if (name == "ex2") return DEVICE_SIM_FLOATING(approximation<T, Exp2>);
  if (name == "lg2") return DEVICE_SIM_FLOATING(approximation<T, Log2>);
  if (name == "sin") return DEVICE_SIM_FLOATING(approximation<T, Sine>);
  if (name == "cos") return DEVICE_SIM_FLOATING(approximation<T, Cosine>);
  if (name == "tanh") return DEVICE_SIM_FLOATING(approximation<T, Tanh>);
  return nullptr;
}

}  // namespace

Handler decode_floating(const Opcode& opcode, Instruction& instruction) {
  const auto name = opcode.name();
  const Type type = instruction.type;
  if (opcode.types.empty() || type < Type::f16) return nullptr;
  if (opcode.has("ftz") && type == Type::f32) instruction.flags |= flag_flush;
  if (opcode.has("sat")) instruction.flags |= flag_saturate;
  if (opcode.has("NaN")) instruction.flags |= flag_wide;
  if (opcode.has("relu")) instruction.flags |= flag_second;
  instruction.variant = rounding_of(opcode);
  if (name == "add") return DEVICE_SIM_FLOATING(arithmetic<T, Add>);
  if (name == "sub") return DEVICE_SIM_FLOATING(arithmetic<T, Subtract>);
  if (name == "mul") return DEVICE_SIM_FLOATING(arithmetic<T, Multiply>);
  if (name == "div") return DEVICE_SIM_FLOATING(arithmetic<T, Divide>);
  if (name == "fma" || name == "mad") return DEVICE_SIM_FLOATING(fused_multiply_add<T>);
  if (name == "min") return DEVICE_SIM_FLOATING(min_max<T, false>);
  if (name == "max") return DEVICE_SIM_FLOATING(min_max<T, true>);
  if (name == "neg") return DEVICE_SIM_FLOATING(negate<T>);
  if (name == "abs") return DEVICE_SIM_FLOATING(absolute<T>);
  if (name == "copysign") return DEVICE_SIM_FLOATING(copy_sign<T>);
  return decode_approximation(name, opcode, type);
}

#undef DEVICE_SIM_FLOATING

}  // namespace device_sim
