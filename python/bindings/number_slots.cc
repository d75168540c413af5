// Operators of tensors: the shortest way from Python's number protocol to the operation.
#include <algorithm>

#include "functions.h"
#include "interpreter.h"
#include "ops/elementwise.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::python {

namespace {

using TensorTensor = Tensor (*)(const Tensor&, const Tensor&);
using TensorScalar = Tensor (*)(const Tensor&, const Scalar&);
using ScalarTensor = Tensor (*)(const Scalar&, const Tensor&);

/// A name as a template argument.
template <std::size_t n>
struct Name {
  char text[n];
  consteval Name(const char (&name)[n]) { std::copy_n(name, n, text); }
};

template <class F>
PyObject* computed(const char* name, std::int64_t elements, F&& body) {
  const Profiled entry(name);
  if (elements < release_gil_from) return wrap(body());
  Tensor result;
  {
    const WithoutGil without_gil;
    result = body();
  }
  return wrap(result);
}

/// left op right for the three pairings of tensor and number; anything else is left to the other operand.
template <Name name, TensorTensor both, TensorScalar scalar_right, ScalarTensor scalar_left>
PyObject* binary(PyObject* left, PyObject* right) {
  return guarded([&]() -> PyObject* {
    if (is_tensor(left)) {
      const Tensor& a = tensor_of(left);
      if (is_tensor(right)) {
        const Tensor& b = tensor_of(right);
        return computed(name.text, std::max(a.numel(), b.numel()), [&] { return both(a, b); });
      }
      Scalar number;
      if (!scalar_of(right, number)) Py_RETURN_NOTIMPLEMENTED;
      return computed(name.text, a.numel(), [&] { return scalar_right(a, number); });
    }
    Scalar number;
    if (!scalar_of(left, number)) Py_RETURN_NOTIMPLEMENTED;
    const Tensor& b = tensor_of(right);
    return computed(name.text, b.numel(), [&] { return scalar_left(number, b); });
  });
}

Tensor add_pair(const Tensor& a, const Tensor& b) { return add(a, b); }
Tensor add_scalar(const Tensor& a, const Scalar& b) { return add(a, b); }
Tensor scalar_add(const Scalar& a, const Tensor& b) { return add(b, a); }
Tensor sub_pair(const Tensor& a, const Tensor& b) { return sub(a, b); }
Tensor sub_scalar(const Tensor& a, const Scalar& b) { return sub(a, b); }
Tensor scalar_sub(const Scalar& a, const Tensor& b) { return rsub(b, a); }
Tensor mul_scalar(const Tensor& a, const Scalar& b) { return mul(a, b); }
Tensor scalar_mul(const Scalar& a, const Tensor& b) { return mul(b, a); }
Tensor scalar_div(const Scalar& a, const Tensor& b) { return reciprocal_scaled(b, a); }

/// left op= right. The result is left itself.
template <Name name, const Tensor& (*both)(const Tensor&, const Tensor&),
          const Tensor& (*scalar_right)(const Tensor&, const Scalar&)>
PyObject* inplace_binary(PyObject* left, PyObject* right) {
  return guarded([&]() -> PyObject* {
    const Tensor& a = tensor_of(left);
    Scalar number;
    if (is_tensor(right)) {
      computed(name.text, a.numel(), [&] { return both(a, tensor_of(right)); });
    } else {
      if (!scalar_of(right, number)) Py_RETURN_NOTIMPLEMENTED;
      computed(name.text, a.numel(), [&] { return scalar_right(a, number); });
    }
    Py_INCREF(left);
    return left;
  });
}

const Tensor& add_pair_(const Tensor& a, const Tensor& b) { return add_(a, b); }
const Tensor& add_scalar_(const Tensor& a, const Scalar& b) { return add_(a, b); }
const Tensor& sub_pair_(const Tensor& a, const Tensor& b) { return sub_(a, b); }
const Tensor& sub_scalar_(const Tensor& a, const Scalar& b) { return sub_(a, b); }

/// An operator by the method of that name, for those that are rarely on a hot path.
template <const char* const* method>
PyObject* by_method(PyObject* left, PyObject* right) {
  if (!is_tensor(left)) {
    return guarded([&]() -> PyObject* {
      Scalar number;
      if (!scalar_of(left, number)) Py_RETURN_NOTIMPLEMENTED;
      const py::object first = py::reinterpret_steal<py::object>(wrap(wrapped(number)));
      return PyObject_CallMethod(first.ptr(), *method, "O", right);
    });
  }
  Scalar number;
  const int fits = guarded([&] { return int(is_tensor(right) || scalar_of(right, number)); });
  if (fits < 0) return nullptr;
  if (!fits) Py_RETURN_NOTIMPLEMENTED;
  return PyObject_CallMethod(left, *method, "O", right);
}

#define TAPER_BY_METHOD(slot, method)         \
  constexpr const char* slot##_name = method; \
  constexpr binaryfunc slot = by_method<&slot##_name>
TAPER_BY_METHOD(matmul_slot, "matmul");
TAPER_BY_METHOD(floor_divide_slot, "floor_divide");
TAPER_BY_METHOD(remainder_slot, "remainder");
TAPER_BY_METHOD(and_slot, "bitwise_and");
TAPER_BY_METHOD(or_slot, "bitwise_or");
TAPER_BY_METHOD(xor_slot, "bitwise_xor");
TAPER_BY_METHOD(lshift_slot, "bitwise_left_shift");
TAPER_BY_METHOD(rshift_slot, "bitwise_right_shift");
TAPER_BY_METHOD(pow_slot_binary, "pow");
TAPER_BY_METHOD(iand_slot, "bitwise_and_");
TAPER_BY_METHOD(ior_slot, "bitwise_or_");
TAPER_BY_METHOD(ixor_slot, "bitwise_xor_");
TAPER_BY_METHOD(ilshift_slot, "bitwise_left_shift_");
TAPER_BY_METHOD(irshift_slot, "bitwise_right_shift_");
TAPER_BY_METHOD(ipow_slot_binary, "pow_");
TAPER_BY_METHOD(ifloor_divide_slot, "floor_divide_");
TAPER_BY_METHOD(iremainder_slot, "remainder_");
#undef TAPER_BY_METHOD

PyObject* pow_slot(PyObject* left, PyObject* right, PyObject*) { return pow_slot_binary(left, right); }
PyObject* ipow_slot(PyObject* left, PyObject* right, PyObject*) { return ipow_slot_binary(left, right); }
PyObject* neg_slot(PyObject* self) {
  return guarded(
      [&] { return computed("neg", tensor_of(self).numel(), [&] { return neg(tensor_of(self)); }); });
}
PyObject* pos_slot(PyObject* self) {
  Py_INCREF(self);
  return self;
}
PyObject* abs_slot(PyObject* self) { return PyObject_CallMethod(self, "abs", nullptr); }
PyObject* invert_slot(PyObject* self) { return PyObject_CallMethod(self, "bitwise_not", nullptr); }

Scalar single_value(PyObject* self, const char* what) {
  const Tensor& tensor = tensor_of(self);
  check<ValueError>(tensor.numel() == 1, what, ": a Tensor with ", tensor.numel(), " elements (shape ",
                    tensor.sizes(), ") cannot be converted to Scalar; only one element tensors can");
  const Scalar value = tensor.item();
  check<ValueError>(!value.is_complex() || value.to<std::complex<double>>().imag() == 0, what, ": ", value,
                    " has an imaginary part; take .real first");
  return value;
}
int bool_slot(PyObject* self) {
  return guarded([&]() -> int {
    check<ValueError>(tensor_of(self).numel() == 1, "bool: Boolean value of Tensor with ",
                      tensor_of(self).numel() == 0 ? "no values" : "more than one value",
                      " is ambiguous (shape ", tensor_of(self).sizes(), "); use any() or all()");
    return tensor_of(self).item<bool>();
  });
}
PyObject* float_slot(PyObject* self) {
  return guarded([&] { return PyFloat_FromDouble(single_value(self, "float").to<double>()); });
}
PyObject* int_slot(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Scalar value = single_value(self, "int");
    if (tensor_of(self).dtype() == uint64)
      return PyLong_FromUnsignedLongLong(std::uint64_t(value.to<std::int64_t>()));
    return value.is_integral() ? PyLong_FromLongLong(value.to<std::int64_t>())
                               : PyLong_FromDouble(value.to<double>());
  });
}
PyObject* index_slot(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Tensor& tensor = tensor_of(self);
    if (!is_integral(tensor.dtype(), true) || tensor.numel() != 1)
      throw py::type_error(
          concat("index: only integer tensors of a single element can be converted to an index, got ",
                 tensor.dtype(), " of shape ", tensor.sizes()));
    return PyLong_FromLongLong(single_value(self, "index").to<std::int64_t>());
  });
}

PyObject* compare_slot(PyObject* left, PyObject* right, int operation) {
  return guarded([&]() -> PyObject* {
    constexpr const char* names[] = {"lt", "le", "eq", "ne", "gt", "ge"};
    constexpr TensorTensor both[] = {lt, le, eq, ne, gt, ge};
    constexpr TensorScalar with_number[] = {lt, le, eq, ne, gt, ge};
    const Tensor& a = tensor_of(left);
    if (is_tensor(right))
      return computed(names[operation], std::max(a.numel(), tensor_of(right).numel()),
                      [&] { return both[operation](a, tensor_of(right)); });
    if (is_array(right)) {
      const Tensor b = copy_of_array(right);
      return computed(names[operation], std::max(a.numel(), b.numel()),
                      [&] { return both[operation](a, b); });
    }
    Scalar number;
    if (right == Py_None || !scalar_of(right, number)) Py_RETURN_NOTIMPLEMENTED;
    return computed(names[operation], a.numel(), [&] { return with_number[operation](a, number); });
  });
}

}  // namespace

void add_number_slots(std::vector<PyType_Slot>& slots) {
  const auto add = [&](int id, auto* function) { slots.push_back({id, reinterpret_cast<void*>(function)}); };
  add(Py_nb_add, binary<"add", add_pair, add_scalar, scalar_add>);
  add(Py_nb_subtract, binary<"sub", sub_pair, sub_scalar, scalar_sub>);
  add(Py_nb_multiply, binary<"mul", static_cast<TensorTensor>(mul), mul_scalar, scalar_mul>);
  add(Py_nb_true_divide,
      binary<"div", static_cast<TensorTensor>(div), static_cast<TensorScalar>(div), scalar_div>);
  add(Py_nb_inplace_add, inplace_binary<"add_", add_pair_, add_scalar_>);
  add(Py_nb_inplace_subtract, inplace_binary<"sub_", sub_pair_, sub_scalar_>);
  add(Py_nb_inplace_multiply, inplace_binary<"mul_", mul_, mul_>);
  add(Py_nb_inplace_true_divide, inplace_binary<"div_", div_, div_>);
  add(Py_nb_matrix_multiply, matmul_slot);
  add(Py_nb_floor_divide, floor_divide_slot);
  add(Py_nb_remainder, remainder_slot);
  add(Py_nb_and, and_slot);
  add(Py_nb_or, or_slot);
  add(Py_nb_xor, xor_slot);
  add(Py_nb_lshift, lshift_slot);
  add(Py_nb_rshift, rshift_slot);
  add(Py_nb_inplace_and, iand_slot);
  add(Py_nb_inplace_or, ior_slot);
  add(Py_nb_inplace_xor, ixor_slot);
  add(Py_nb_inplace_lshift, ilshift_slot);
  add(Py_nb_inplace_rshift, irshift_slot);
  add(Py_nb_inplace_floor_divide, ifloor_divide_slot);
  add(Py_nb_inplace_remainder, iremainder_slot);
  add(Py_nb_power, pow_slot);
  add(Py_nb_inplace_power, ipow_slot);
  add(Py_nb_negative, neg_slot);
  add(Py_nb_positive, pos_slot);
  add(Py_nb_absolute, abs_slot);
  add(Py_nb_invert, invert_slot);
  add(Py_nb_bool, bool_slot);
  add(Py_nb_float, float_slot);
  add(Py_nb_int, int_slot);
  add(Py_nb_index, index_slot);
  add(Py_tp_richcompare, compare_slot);
}

}  // namespace taper::python
