// Source of pointwise kernels.
#include "cuda/pointwise_source.h"

#include "cuda/complex_text.h"
#include "taper/error.h"

namespace taper::cuda {

namespace {

/// How a dtype is called in the text, where elements lie and where they are computed.
const char* stored(DType dtype) {
  switch (dtype) {
    case boolean: return "bool";
    case uint8: return "UInt8";
    case int8: return "Int8";
    case uint16: return "UInt16";
    case int16: return "Int16";
    case uint32: return "UInt32";
    case int32: return "Int32";
    case uint64: return "UInt64";
    case int64: return "Int64";
    case float16: return "Half";
    case bfloat16: return "Bfloat16";
    case float32: return "float";
    case float64: return "double";
    case complex64: return "std::complex<float>";
    case complex128: return "std::complex<double>";
    default: fail<DTypeError>("pointwise: got ", dtype, ", which it does not compute with");
  }
}
const char* computed(DType dtype) { return dtype == float16 || dtype == bfloat16 ? "float" : stored(dtype); }

// Types by single words; the 16-bit ones without their headers, which a machine need not have; float16 by the
// instructions that cuda_fp16.h uses, as C++ has no name for them.
constexpr const char* types = R"(
using Int8 = signed char;
using UInt8 = unsigned char;
using Int16 = short;
using UInt16 = unsigned short;
using Int32 = int;
using UInt32 = unsigned;
using Int64 = long long;
using UInt64 = unsigned long long;
struct Half {
  unsigned short bits;
  Half() = default;
  Half(float value) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value)); }
  operator float() const {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
  }
};
struct Bfloat16 {
  unsigned short bits;
  Bfloat16() = default;
  Bfloat16(float value) {
    const unsigned whole = __float_as_uint(value);
    bits = value != value ? 0x7fff : (whole + 0x7fff + (whole >> 16 & 1)) >> 16;
  }
  operator float() const { return __uint_as_float(unsigned(bits) << 16); }
};
)";

std::string declaration() {
  return concat("struct Arguments {\n  void* data[", pointwise_operands,
                "];\n  long long total;\n  int dims;\n  long long sizes[", pointwise_dims,
                "];\n  long long strides[", pointwise_operands, "][", pointwise_dims,
                "];\n  union {\n    double real[2];\n    long long integer;\n  } values[", pointwise_values,
                "];\n};\n");
}

}  // namespace

std::string pointwise_source(const PointwiseFormula& f) {
  const int outputs = int(f.outputs.size()), operands = outputs + int(f.inputs.size());
  check<ValueError>(operands <= pointwise_operands && f.values <= pointwise_values, "pointwise: got ",
                    operands, " operands and ", f.values, " values, expected at most ", pointwise_operands,
                    " and ", pointwise_values);
  const std::string type = computed(f.common);
  std::string text = concat(types, is_complex(f.common) ? complex_text : "", f.code, "\n", declaration());
  text += concat("extern \"C\" __global__ void __launch_bounds__(", pointwise_threads, ") ", pointwise_kernel,
                 "(const __grid_constant__ Arguments a) {\n  using T = ", type, ";\n");
  for (int k = 0; k < f.values; ++k) {
    const std::string value = concat("a.values[", k, "]");
    text += concat("  const T v", k, " = T(", value);
    if (is_complex(f.common)) text += concat(".real[0], ", value, ".real[1]);\n");
    else text += is_integral(f.common, true) ? ".integer);\n" : ".real[0]);\n";
  }
  text += concat("  for (long long i = blockIdx.x * ", pointwise_threads,
                 "ll + threadIdx.x; i < a.total; i += gridDim.x * ", pointwise_threads,
                 "ll) {\n    long long rest = i, at[", operands,
                 "] = {};\n    for (int d = 0; d < a.dims; ++d) {\n"
                 "      const long long quotient = d + 1 < a.dims ? rest / a.sizes[d] : 0;\n"
                 "      const long long place = rest - quotient * a.sizes[d];\n      rest = quotient;\n"
                 "#pragma unroll\n      for (int k = 0; k < ",
                 operands, "; ++k) at[k] += place * a.strides[k][d];\n    }\n");
  const auto element = [&](int k, DType dtype) {
    return concat("static_cast<", stored(dtype), "*>(a.data[", k, "])[at[", k, "]]");
  };
  for (int k = 0; k < int(f.inputs.size()); ++k) {
    const DType dtype = f.inputs[std::size_t(k)];
    text += concat("    const T x", k, " = T(", computed(dtype), "(", element(outputs + k, dtype), "));\n");
  }
  for (int k = 0; k < outputs; ++k) text += concat("    T y", k, ";\n");
  text += concat("    ", f.statements, "\n");
  for (int k = 0; k < outputs; ++k) {
    const DType dtype = f.outputs[std::size_t(k)];
    text += concat("    ", element(k, dtype), " = ", stored(dtype), "(", computed(dtype), "(y", k, "));\n");
  }
  return text + "  }\n}\n";
}

}  // namespace taper::cuda
