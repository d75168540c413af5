// cvt, in all its roundings (PTX ISA 9.7.9.21).
#include <cmath>

#include "executor.h"

namespace device_sim {
namespace {

enum Rounding : uint8_t { nearest, to_zero, down, up };

double to_integral(double x, uint8_t rounding) {
  switch (rounding) {
    case to_zero: return std::trunc(x);
    case down: return std::floor(x);
    case up: return std::ceil(x);
    default: return std::nearbyint(x);
  }
}

// Out of range gives the nearest number; NaN gives 0 (for 64 bits the lowest number).
template <class D>
D to_integer(double x) {
  if (std::isnan(x)) return sizeof(D) == 8 ? D(uint64_t(1) << 63) : D(0);
  const double most = std::ldexp(1.0, std::numeric_limits<D>::digits);
  if (x >= most) return std::numeric_limits<D>::max();
  if (x <= double(std::numeric_limits<D>::min())) return std::numeric_limits<D>::min();
  return D(x);
}

// The float32 or double next to x in the direction of rounding.
template <class D, class S>
D directed(S x, uint8_t rounding) {
  const D near = D(x);
  const auto wide = (long double)x, got = (long double)near;
  if (rounding == nearest || got == wide || is_nan(near)) return near;
  constexpr D infinity = std::numeric_limits<D>::infinity();
  const bool above = got > wide, wants_down = rounding == down || (rounding == to_zero && wide > 0);
  if (above == wants_down) return std::nextafter(near, wants_down ? -infinity : infinity);
  return near;
}

template <class D, class S>
void convert(Thread& t, const Instruction& i) {
  const S source = read<S>(t, i.operands[1]);
  if constexpr (is_floating<S> && is_floating<D>) {
    double x = double(source);
    if ((i.flags & flag_flush) && std::abs(x) < std::numeric_limits<float>::min()) x = std::copysign(0.0, x);
    if (i.flags & flag_wide) x = to_integral(x, i.variant);  // .rni and its kin
    if (i.flags & flag_saturate) x = std::isnan(x) ? 0 : std::min(1.0, std::max(0.0, x));
    if (i.flags & flag_second) x = x > 0 || std::isnan(x) ? x : 0;  // .relu
    if (std::isnan(x)) return write<D>(t, i.operands[0], canonical_nan<D>());
    if constexpr (is_small_float<D>) write<D>(t, i.operands[0], D(x));
    else write<D>(t, i.operands[0], i.flags & flag_wide ? D(x) : directed<D>(x, i.variant));
  } else if constexpr (is_floating<S>) {
    write<D>(t, i.operands[0], to_integer<D>(to_integral(double(source), i.variant)));
  } else if constexpr (is_small_float<D>) {
    write<D>(t, i.operands[0], D(double(source)));
  } else if constexpr (is_floating<D>) {
    write<D>(t, i.operands[0], directed<D>(source, i.variant));
  } else if (i.flags & flag_saturate) {
    const auto wide = __int128(source);
    const auto low = __int128(std::numeric_limits<D>::min()), high = __int128(std::numeric_limits<D>::max());
    write<D>(t, i.operands[0], D(std::min(std::max(wide, low), high)));
  } else {
    write<D>(t, i.operands[0], D(source));
  }
}

// cvt.rn.f16x2.f32 d, high, low.
template <class D>
void convert_pair(Thread& t, const Instruction& i) {
  uint32_t bits = 0;
  for (int half = 0; half < 2; ++half) {
    double x = read<float>(t, i.operands[2 - half]);
    if (i.flags & flag_second) x = x > 0 || std::isnan(x) ? x : 0;
    bits |= uint32_t(std::bit_cast<uint16_t>(rounded<D>(x))) << (16 * half);
  }
  write<uint32_t>(t, i.operands[0], bits);
}

template <class Make>
Handler for_any(Type type, Make make) {
  return for_type<uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t, int64_t, Half, Bfloat16,
                  float, double>(type,
                                 {Type::u8, Type::u16, Type::u32, Type::u64, Type::s8, Type::s16, Type::s32,
                                  Type::s64, Type::f16, Type::bf16, Type::f32, Type::f64},
                                 make);
}

uint8_t rounding_of(const Opcode& opcode) {
  if (opcode.has("rz") || opcode.has("rzi")) return to_zero;
  if (opcode.has("rm") || opcode.has("rmi")) return down;
  return opcode.has("rp") || opcode.has("rpi") ? up : nearest;
}

}  // namespace

Handler decode_conversion(const Opcode& opcode, Instruction& instruction) {
  if (opcode.name() != "cvt" || opcode.types.size() < 2) return nullptr;
  instruction.variant = rounding_of(opcode);
  if (opcode.has("rni") || opcode.has("rzi") || opcode.has("rmi") || opcode.has("rpi"))
    instruction.flags |= flag_wide;
  if (opcode.has("sat")) instruction.flags |= flag_saturate;
  if (opcode.has("ftz")) instruction.flags |= flag_flush;
  if (opcode.has("relu")) instruction.flags |= flag_second;
  const Type source = instruction.source_type;
  if (instruction.type == Type::f16x2 && source == Type::f32) return convert_pair<Half>;
  if (instruction.type == Type::bf16x2 && source == Type::f32) return convert_pair<Bfloat16>;
  return for_any(instruction.type, [&]<class D>(std::type_identity<D>) -> Handler {
    return for_any(source, []<class S>(std::type_identity<S>) -> Handler { return convert<D, S>; });
  });
}

}  // namespace device_sim
