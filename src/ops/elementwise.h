// How elementwise operations choose dtype, shape and layout of their result, and call a CPU kernel.
#pragma once

#include <initializer_list>
#include <optional>

#include "cpu/map.h"
#include "taper/tensor.h"

namespace taper {

/// What becomes of the common dtype of the operands.
enum class Promotion : std::uint8_t {
  same,      ///< result and computation in the common dtype
  to_float,  ///< integers compute and result in the default floating type
  to_bool,   ///< computed in the common dtype, result bool
};

/// The dtype operands combine to: tensors with dimensions count before 0-d tensors, those before plain
/// numbers, unless a later one is of a higher kind (PyTorch's and the Array API's rule).
DType result_type(std::initializer_list<const Tensor*> operands);
DType result_type(const Tensor& a, const Tensor& b);
DType result_type(const Tensor& a, const Scalar& b);

/// The dtype of sums and products over x, unless dtype says otherwise: int64 for integers and bool, else x's.
DType sum_dtype(const Tensor& x, std::optional<DType> dtype);
/// What they are taken over: x, converted first where dtype is of a lower kind and could not hold the result.
Tensor summands(const Tensor& x, std::optional<DType> dtype);

/// A number as an operand: 0-d, takes part in promotion by its kind only.
Tensor wrapped(const Scalar& value);

/// kernel over one tensor. attributes are those the kernel documents.
Tensor map_unary(const cpu::Kernel& kernel, const Tensor& x, Promotion promotion,
                 const void* attributes = nullptr);
/// kernel over broadcast operands.
Tensor map_binary(const cpu::Kernel& kernel, const Tensor& a, const Tensor& b, Promotion promotion,
                  const void* attributes = nullptr);
Tensor map_scalar(const cpu::Kernel& kernel, const Tensor& a, const Scalar& b, Promotion promotion,
                  const void* attributes = nullptr);
/// number - tensor and the like.
Tensor map_scalar_first(const cpu::Kernel& kernel, const Scalar& a, const Tensor& b, Promotion promotion,
                        const void* attributes = nullptr);
Tensor map_operands(const cpu::Kernel& kernel, std::initializer_list<const Tensor*> operands, DType common,
                    DType output, const void* attributes = nullptr);
/// The same into existing memory, which may be an operand. Shapes must broadcast to target's.
void map_into(const cpu::Kernel& kernel, const Tensor& target, std::initializer_list<const Tensor*> operands,
              DType common, const void* attributes = nullptr);
/// kernel(target, number) into target.
void map_scalar_into(const cpu::Kernel& kernel, const Tensor& target, const Scalar& number,
                     Promotion promotion, const void* attributes = nullptr);

/// Fresh memory for an elementwise result: dense in the order of dimensions of the operands.
Tensor empty_for(const Shape& sizes, DType dtype, std::initializer_list<const Tensor*> operands);

/// Copies elements, converting dtype, from any device to any; source broadcasts to target. No tape, no
/// version. non_blocking: as in to().
void copy_elements(const Tensor& source, const Tensor& target, bool non_blocking = false);
void fill_elements(const Tensor& target, const Scalar& value);

/// Shape, dtype and device of an operand, which its gradient must have.
struct Like {
  Shape sizes;
  DType dtype;
  Device device;
  Like(const Tensor& tensor) : sizes(tensor.sizes()), dtype(tensor.dtype()), device(tensor.device()) {}
};
/// Sums gradient over the dimensions along which an operand was broadcast, and gives it the operand's dtype
/// and device.
Tensor reduce_to(const Tensor& gradient, const Like& operand);

}  // namespace taper
