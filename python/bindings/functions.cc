// Python callables made from the registry: one fast argument parser for all operations.
#include <array>
#include <map>
#include <memory>
#include <optional>

#include "functions.h"
#include "interpreter.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "out_argument.h"
#include "python.h"

#include <structmember.h>

#include "taper/autograd.h"
#include "taper/cuda.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::python {

namespace {

constexpr std::size_t most_parameters = 20;

vectorcallfunc entry = nullptr;
std::vector<FunctionObject*> all_callables;

PyTypeObject *function_type, *method_type;
PyObject *name_out, *name_layout, *name_pin_memory, *name_memory_format, *name_sparse_grad;
// Other names of parameters: NumPy's, the Array API's, and PyTorch's where overloads have different ones.
std::vector<std::pair<PyObject*, PyObject*>> aliases;

// int?[]: -1 stands for None, so no other entry may be negative.
void check_entry(const Parameter& parameter, std::int64_t entry) {
  check<ValueError>(!parameter.entries_optional || entry >= 0, parameter.name, " must not be negative, got ",
                    entry);
}

std::string text_of(PyObject* object) {
  const char* text = PyUnicode_AsUTF8(object);
  if (!text) throw py::error_already_set();  // a lone surrogate
  return text;
}

bool convert_integers(PyObject* object, const Parameter& parameter, Value& value) {
  std::int64_t single = 0;
  const bool sequence = PyTuple_Check(object) || PyList_Check(object);
  if (PyBool_Check(object)) return false;
  if (parameter.entries_optional && object == Py_None) {
    value = Shape::filled(parameter.count, -1);
    return true;
  }
  if (!sequence) {
    if (parameter.variadic || parameter.count == 0) {
      if (!integer_of(object, single)) return false;
      value = Shape{single};
      return true;
    }
    if (PyFloat_Check(object) || !integer_of(object, single)) return false;
    check_entry(parameter, single);
    value = Shape::filled(parameter.count, single);
    return true;
  }
  Shape list;
  // The size is asked for again each time: an item's __index__ may change the list.
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
    const auto held = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(object, i));
    PyObject* item = held.ptr();
    if (parameter.entries_optional && item == Py_None) single = -1;
    else if (!integer_of(item, single)) return false;
    else check_entry(parameter, single);
    list.push_back(single);
  }
  if (parameter.count > 1 && list.size() == 1) list = Shape::filled(parameter.count, list[0]);
  value = std::move(list);
  return true;
}

template <class Item>
bool convert_tensors(PyObject* object, std::vector<Item>& list, bool none_allowed) {
  if (!PyTuple_Check(object) && !PyList_Check(object)) return false;
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(object, i);
    if (is_tensor(item)) list.push_back(tensor_of(item));
    else if (none_allowed && item == Py_None) list.emplace_back();
    else return false;
  }
  return true;
}

bool convert_real(PyObject* object, Value& value) {
  Scalar scalar;
  if (!scalar_of(object, scalar) || scalar.is_complex()) return false;
  value = scalar.to<double>();
  return true;
}

bool convert_reals(PyObject* object, Value& value) {
  if (!PyTuple_Check(object) && !PyList_Check(object)) {
    if (!convert_real(object, value)) return false;
    value = std::vector<double>{std::get<double>(value)};
    return true;
  }
  std::vector<double> list;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
    Value entry;
    const auto item = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(object, i));
    if (!convert_real(item.ptr(), entry)) return false;
    list.push_back(std::get<double>(entry));
  }
  value = std::move(list);
  return true;
}

bool convert_boolean(PyObject* object, Value& value) {
  if (!PyBool_Check(object) && !PyLong_Check(object) &&
      std::string_view(Py_TYPE(object)->tp_name).substr(0, 10) != "numpy.bool")
    return false;
  value = truth_of(object);
  return true;
}

// False when object is not of the parameter's type. tensors_are_numbers: whether a 0-d tensor may stand for a
// number.
bool convert(PyObject* object, const Parameter& parameter, Value& value, bool tensors_are_numbers) {
  if (object == Py_None && parameter.optional) {
    value = std::monostate();
    return true;
  }
  switch (parameter.type) {
    case Type::tensor:
      if (!is_tensor(object)) return false;
      value = tensor_of(object);
      return true;
    case Type::operand: {
      if (is_tensor(object)) {
        value = tensor_of(object);
        return true;
      }
      Scalar scalar;
      if (!scalar_of(object, scalar)) return false;
      value = wrapped(scalar);
      return true;
    }
    case Type::scalar: {
      Scalar scalar;
      if (!tensors_are_numbers && is_tensor(object)) return false;
      if (!scalar_of(object, scalar)) return false;
      value = scalar;
      return true;
    }
    case Type::boolean: return convert_boolean(object, value);
    case Type::integer: {
      std::int64_t integer = 0;
      if (PyBool_Check(object) || !integer_of(object, integer)) return false;
      value = integer;
      return true;
    }
    case Type::real: return convert_real(object, value);
    case Type::text:
      if (!PyUnicode_Check(object)) return false;
      value = text_of(object);
      return true;
    case Type::integers: return convert_integers(object, parameter, value);
    case Type::tensors: {
      Tensors list;
      if (!convert_tensors(object, list, false)) return false;
      value = std::move(list);
      return true;
    }
    case Type::optional_tensors: {
      OptionalTensors list;
      if (!convert_tensors(object, list, true)) return false;
      value = std::move(list);
      return true;
    }
    case Type::reals: return convert_reals(object, value);
    case Type::dtype:
      if (!is_dtype(object) && !PyType_Check(object)) return false;
      value = dtype_of(object);
      return true;
    case Type::device: value = device_of(object); return true;
    case Type::generator:
      if (!py::isinstance<Generator>(object)) return false;
      value = py::cast<Generator>(py::handle(object));
      return true;
  }
  return false;
}

const char* type_text(const Parameter& parameter) {
  constexpr const char* names[] = {"Tensor",
                                   "Number",
                                   "Tensor or Number",
                                   "bool",
                                   "int",
                                   "float",
                                   "str",
                                   "int or tuple of ints",
                                   "tuple of Tensors",
                                   "tuple of floats",
                                   "taper.dtype",
                                   "device",
                                   "Generator",
                                   "tuple of Tensors or Nones"};
  return names[int(parameter.type)];
}

PyObject* alias_of(PyObject* name) {
  for (const auto& [alias, parameter] : aliases)
    if (alias == name) return parameter;
  return nullptr;
}

/// One attempt to fit a call to an overload.
class Call {
 public:
  Call(const Overload& overload, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords,
       bool tensors_are_numbers)
      : overload_(overload),
        parameters_(overload.signature.parameters),
        arguments_(arguments),
        count_(count),
        keywords_(keywords),
        tensors_are_numbers_(tensors_are_numbers) {}

  /// Fills values; false with a message where the call does not fit.
  bool fits();
  std::array<Value, most_parameters> values;
  PyObject *out = nullptr, *memory_format = nullptr;
  bool pinned = false;
  std::string message;

 private:
  bool positional();
  bool by_keyword();
  bool defaults();
  bool has_tensor();
  int find(PyObject* name) const;
  bool mismatch(std::size_t index, PyObject* object, bool positional);

  const Overload& overload_;
  const std::vector<Parameter>& parameters_;
  PyObject* const* arguments_;
  Py_ssize_t count_;
  PyObject* keywords_;
  bool tensors_are_numbers_;
  std::uint32_t given_ = 0;
};

bool Call::mismatch(std::size_t index, PyObject* object, bool positional) {
  message = concat("argument '", parameters_[index].name, "'",
                   positional ? concat(" (position ", index + 1, ")") : std::string(), " must be ",
                   type_text(parameters_[index]), ", not ", Py_TYPE(object)->tp_name);
  return false;
}

bool Call::positional() {
  for (Py_ssize_t i = 0; i < count_; ++i) {
    const auto index = std::size_t(i);
    if (index >= parameters_.size() || parameters_[index].keyword_only) {
      std::size_t most = 0;
      while (most < parameters_.size() && !parameters_[most].keyword_only) ++most;
      message = concat("takes ", most, " positional arguments but ", count_, " were given");
      return false;
    }
    given_ |= 1u << index;
    const Parameter& parameter = parameters_[index];
    if (parameter.variadic && !PyTuple_Check(arguments_[i]) && !PyList_Check(arguments_[i]) &&
        arguments_[i] != Py_None) {
      Shape list;
      for (; i < count_; ++i) {
        std::int64_t entry = 0;
        if (!integer_of(arguments_[i], entry)) return mismatch(index, arguments_[i], true);
        list.push_back(entry);
      }
      values[index] = std::move(list);
      return true;
    }
    if (!convert(arguments_[i], parameter, values[index], tensors_are_numbers_))
      return mismatch(index, arguments_[i], true);
  }
  return true;
}

int Call::find(PyObject* name) const {
  for (std::size_t i = 0; i < overload_.names.size(); ++i)
    if (overload_.names[i] == name) return int(i);
  for (std::size_t i = 0; i < overload_.names.size(); ++i)
    if (PyUnicode_Compare(overload_.names[i], name) == 0) return int(i);
  return -1;
}

bool Call::by_keyword() {
  const Py_ssize_t count = keywords_ ? PyTuple_GET_SIZE(keywords_) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* name = PyTuple_GET_ITEM(keywords_, i);
    PyObject* object = arguments_[count_ + i];
    int index = find(name);
    if (index < 0)
      if (PyObject* alias = alias_of(name)) index = find(alias);
    if (index < 0) {
      if (name == name_out) {
        out = object == Py_None ? nullptr : object;
        continue;
      }
      if (name == name_layout || name == name_sparse_grad) continue;
      if (name == name_pin_memory) {
        pinned = object == Py_True;
        continue;
      }
      if (name == name_memory_format) {
        memory_format = object == Py_None ? nullptr : object;
        continue;
      }
      message = concat("got an unexpected keyword argument '", text_of(name), "'");
      return false;
    }
    if (given_ >> index & 1) {
      message = concat("got multiple values for argument '", text_of(name), "'");
      return false;
    }
    given_ |= 1u << index;
    if (!convert(object, parameters_[std::size_t(index)], values[std::size_t(index)], tensors_are_numbers_))
      return mismatch(std::size_t(index), object, false);
  }
  return true;
}

bool Call::defaults() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (given_ >> i & 1) continue;
    if (!parameters_[i].has_default && !parameters_[i].variadic) {
      message = concat("missing required argument: '", parameters_[i].name, "'");
      return false;
    }
    if (parameters_[i].has_default && parameters_[i].type == Type::operand && !parameters_[i].optional)
      values[i] = wrapped(std::get<Scalar>(parameters_[i].default_value));
    else if (parameters_[i].has_default) values[i] = parameters_[i].default_value;
    else values[i] = Shape();
  }
  return true;
}

// Of numbers alone an operation makes no tensor.
bool Call::has_tensor() {
  const auto number = [&](std::size_t i) {
    const Tensor* tensor = std::get_if<Tensor>(&values[i]);
    return !tensor || !tensor->defined() || tensor->record()->wrapped_number;
  };
  if (parameters_.empty() || parameters_[0].type != Type::operand || !number(0)) return true;
  for (std::size_t i = 1; i < parameters_.size(); ++i)
    if (!number(i)) return true;
  message = concat("argument '", parameters_[0].name, "' must be Tensor where no other argument is one");
  return false;
}

bool Call::fits() { return positional() && by_keyword() && defaults() && has_tensor(); }

bool worth_releasing(const Overload& overload, const Value* values) {
  for (std::size_t i = 0; i < overload.signature.parameters.size(); ++i) {
    if (const Tensor* tensor = std::get_if<Tensor>(&values[i]);
        tensor && tensor->defined() && tensor->numel() >= release_gil_from)
      return true;
    if (const Tensors* list = std::get_if<Tensors>(&values[i]))
      for (const Tensor& tensor : *list)
        if (tensor.numel() >= release_gil_from) return true;
  }
  return false;
}

Value call(const Overload& overload, Value* values) {
  if (!worth_releasing(overload, values)) return overload.function->call(values);
  const WithoutGil without_gil;
  return overload.function->call(values);
}

// A new tensor lies as memory_format= says. In place, so that a leaf stays one.
void put_in_order(const Value& result, const std::string& memory_format) {
  const Tensor* tensor = std::get_if<Tensor>(&result);
  if (!tensor || memory_format.empty() || memory_format == "preserve") return;
  const Tensor plain = tensor->detach();
  if (!contiguous(plain, memory_format).is(plain)) own_memory(*tensor, memory_format);
}

// A new tensor lies in page-locked memory, under the same identity. Without a GPU nothing is gained by that.
void put_in_pinned_memory(const Value& result) {
  const Tensor* tensor = std::get_if<Tensor>(&result);
  if (tensor && cuda::is_available()) set_memory(*tensor, cuda::pin_memory(tensor->detach()));
}

// The results of a function that names them; item gives a new reference to each.
template <class F>
PyObject* named(const Overload& overload, F&& item) {
  PyObject* results = PyStructSequence_New(reinterpret_cast<PyTypeObject*>(overload.results));
  for (std::size_t i = 0; i < overload.signature.results.size(); ++i)
    PyStructSequence_SET_ITEM(results, Py_ssize_t(i), item(i));
  return results;
}

PyObject* finish(const FunctionObject& function, const Overload& overload, Call& attempt) {
  Value* const values = attempt.values.data();
  PyObject* const out = attempt.out;
  if (function.inplace) {
    const Tensor self = std::get<Tensor>(values[0]);
    taper::inplace(function.name->c_str(), self, [&](const Tensor& before) {
      values[0] = before;
      Value result = call(overload, values);
      values[0] = std::monostate();
      Tensor& value = std::get<Tensor>(result);
      check<DTypeError>(!self.is_complex() || !value.is_floating_point(), *function.name,
                        ": not supported for complex tensors, since the result is real");
      return std::move(value);
    });
    return wrap(self);
  }
  if (autocast_on && overload.cast != Cast::none && !out) [[unlikely]]
    cast_arguments(overload.cast, overload.signature, values);
  if (out) {
    const Tensors operands = operands_among(values, overload.signature.parameters.size());
    take_dtype(out, overload.signature, values);
    const Value result = call(overload, values);
    write_out(out, result, operands, *function.name);
    if (std::holds_alternative<Tensors>(result) && overload.results) {
      const py::tuple written(py::reinterpret_borrow<py::object>(out));
      return named(overload, [&](std::size_t i) { return py::object(written[i]).release().ptr(); });
    }
    Py_INCREF(out);
    return out;
  }
  const Value result = call(overload, values);
  if (attempt.memory_format) [[unlikely]]
    put_in_order(result, text_of(attempt.memory_format));
  if (attempt.pinned) [[unlikely]]
    put_in_pinned_memory(result);
  if (const Tensors* list = std::get_if<Tensors>(&result); list && overload.results)
    return named(overload, [&](std::size_t i) { return wrap((*list)[i]); });
  return wrap(result, overload.signature);
}

// The named tuple of an operation with several results, as taper.return_types.NAME.
PyObject* result_type(const Signature& signature) {
  if (signature.results.empty() || signature.results[0].empty()) return nullptr;
  static std::map<std::string, PyObject*> made;
  PyObject*& type = made[signature.name];
  if (type) return type;
  auto* fields = new PyStructSequence_Field[signature.results.size() + 1]{};
  for (std::size_t i = 0; i < signature.results.size(); ++i)
    fields[i].name = PyUnicode_AsUTF8(PyUnicode_InternFromString(signature.results[i].c_str()));
  auto* type_name = new std::string("taper.return_types." + signature.name);
  PyStructSequence_Desc description{type_name->c_str(), nullptr, fields, int(signature.results.size())};
  return type = reinterpret_cast<PyObject*>(PyStructSequence_NewType(&description));
}

void prepare(FunctionObject& function) {
  auto overloads = std::make_unique<std::vector<Overload>>();
  for (const Function* form : *function.functions) {
    Overload overload{form, parse_signature(form->signature), {}, nullptr, cast_of(*function.name)};
    check(overload.signature.parameters.size() <= most_parameters,
          "signature has too many parameters: ", form->signature);
    for (const Parameter& parameter : overload.signature.parameters)
      overload.names.push_back(PyUnicode_InternFromString(parameter.name.c_str()));
    overload.results = result_type(overload.signature);
    overloads->push_back(std::move(overload));
  }
  function.overloads = overloads.release();
}

PyObject* first_call(PyObject* self, PyObject* const* arguments, std::size_t flagged_count,
                     PyObject* keywords) {
  FunctionObject& function = *as_function(self);
  const bool prepared = guarded([&] {
                          if (!function.overloads) prepare(function);
                          return 1;
                        }) == 1;
  if (!prepared) return nullptr;
  function.vectorcall = entry ? entry : call_function;
  return function.vectorcall(self, arguments, flagged_count, keywords);
}

// Errors name the operation that was called, where the message begins with one that it is made of or with
// none.
[[gnu::cold]] void name_operation(std::string_view name) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const py::object text = py::reinterpret_steal<py::object>(PyObject_Str(value));
  const char* message = text && is_taper_error(type) ? PyUnicode_AsUTF8(text.ptr()) : nullptr;
  if (message && !name.starts_with('_')) {
    const std::string_view whole(message), first = whole.substr(0, whole.find(':'));
    if (name.ends_with('_')) name.remove_suffix(1);
    if (first.size() == whole.size() || (first.find(name) == first.npos && name.find(first) == name.npos)) {
      const py::object longer = py::str(concat(whole, " (in ", name, ")"));
      PyObject_SetAttrString(value, "args", py::make_tuple(longer).ptr());
    }
  }
  PyErr_Clear();
  PyErr_Restore(type, value, trace);
}

PyObject* call_overloads(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  const FunctionObject& function = *as_function(self);
  return guarded([&]() -> PyObject* {
    std::string messages;
    const bool single = function.overloads->size() == 1;
    // A 0-d tensor is a number only to a function that has no form for a tensor: its dtype counts.
    for (int round = single ? 1 : 0; round < 2; ++round)
      for (const Overload& overload : *function.overloads) {
        Call attempt(overload, arguments, count, keywords, round == 1);
        if (attempt.fits()) return finish(function, overload, attempt);
        if (round == 1)
          messages +=
              single ? attempt.message : concat("\n  ", overload.function->signature, ": ", attempt.message);
      }
    if (PyObject* result = call_taken_over(self, arguments, count, keywords)) return result;
    if (PyErr_Occurred()) throw py::error_already_set();
    throw py::type_error(
        concat(*function.name, "(): ", single ? "" : "no form takes these arguments:", messages));
  });
}

}  // namespace

void watch_functions(vectorcallfunc watch) {
  entry = watch;
  for (FunctionObject* function : all_callables)
    if (function->overloads) function->vectorcall = watch ? watch : call_function;
}

PyObject* call_function(PyObject* self, PyObject* const* arguments, std::size_t flagged_count,
                        PyObject* keywords) {
  PyObject* result = call_overloads(self, arguments, PyVectorcall_NARGS(flagged_count), keywords);
  if (!result) [[unlikely]]
    name_operation(*as_function(self)->name);
  return result;
}

namespace {

PyObject* bind_method(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance) {
    Py_INCREF(self);
    return self;
  }
  return PyMethod_New(self, instance);
}

PyObject* function_repr(PyObject* self) {
  return PyUnicode_FromFormat("<%s %s of taper>", as_function(self)->method ? "method" : "function",
                              as_function(self)->name->c_str());
}
PyObject* get_name(PyObject* self, void*) { return PyUnicode_FromString(as_function(self)->name->c_str()); }
PyObject* get_doc(PyObject* self, void*) {
  std::string doc;
  for (const Function* function : *as_function(self)->functions)
    doc += concat(doc.empty() ? "" : "\n\n", function->signature, "\n\n", function->doc);
  return PyUnicode_FromStringAndSize(doc.data(), Py_ssize_t(doc.size()));
}
PyObject* get_module(PyObject*, void*) { return PyUnicode_FromString("taper"); }
PyObject* function_reduce(PyObject* self, PyObject*) {
  // Pickled by reference, as Python's own functions are.
  return PyUnicode_FromString(as_function(self)->name->c_str());
}

PyGetSetDef function_properties[] = {{"__name__", get_name, nullptr, nullptr, nullptr},
                                     {"__qualname__", get_name, nullptr, nullptr, nullptr},
                                     {"__doc__", get_doc, nullptr, nullptr, nullptr},
                                     {"__module__", get_module, nullptr, nullptr, nullptr},
                                     {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef function_methods[] = {{"__reduce__", function_reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(FunctionObject, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyTypeObject* make_type(const char* type_name, bool method) {
  std::vector<PyType_Slot> slots = {{Py_tp_repr, reinterpret_cast<void*>(function_repr)},
                                    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                    {Py_tp_getset, function_properties},
                                    {Py_tp_methods, function_methods},
                                    {Py_tp_members, function_members}};
  if (method) slots.push_back({Py_tp_descr_get, reinterpret_cast<void*>(bind_method)});
  slots.push_back({0, nullptr});
  const unsigned flags =
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | (method ? Py_TPFLAGS_METHOD_DESCRIPTOR : 0);
  PyType_Spec spec{type_name, sizeof(FunctionObject), 0, flags, slots.data()};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

}  // namespace

PyObject* make_function(const std::string& name, std::vector<const Function*> overloads, bool method,
                        bool inplace) {
  PyTypeObject* type = method ? method_type : function_type;
  auto* object = PyObject_New(FunctionObject, type);
  object->vectorcall = first_call;
  object->functions = new std::vector<const Function*>(std::move(overloads));
  object->overloads = nullptr;
  object->name = new std::string(name);
  object->method = method;
  object->inplace = inplace;
  all_callables.push_back(object);
  return reinterpret_cast<PyObject*>(object);
}

namespace {

using ByName = std::map<std::string, std::vector<const Function*>>;

// All functions, keyed by home and name: "taper", "Tensor", "nn.functional", ...
std::map<std::string, ByName> by_home() {
  std::map<std::string, ByName> homes;
  for (const Function& function : all_functions()) {
    const std::string name(function.signature.substr(0, function.signature.find('(')));
    std::string_view rest = function.homes;
    while (!rest.empty()) {
      const auto space = rest.find(' ');
      homes[std::string(rest.substr(0, space))][name].push_back(&function);
      rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
    }
  }
  return homes;
}

void add_methods(const ByName& functions) {
  PyObject* dictionary = tensor_type->tp_dict;
  for (const auto& [name, overloads] : functions) {
    PyDict_SetItemString(dictionary, name.c_str(), make_function(name, overloads, true, false));
    const std::string inplace_name = name + "_";
    if (overloads[0]->inplace && !functions.contains(inplace_name))
      PyDict_SetItemString(dictionary, inplace_name.c_str(),
                           make_function(inplace_name, overloads, true, true));
  }
  PyType_Modified(tensor_type);
}

py::list registry_entries() {
  py::list entries;
  for (const Function& function : all_functions())
    entries.append(py::dict(
        py::arg("signature") = std::string(function.signature), py::arg("doc") = std::string(function.doc),
        py::arg("homes") = std::string(function.homes), py::arg("samples") = std::string(function.samples),
        py::arg("reference") = std::string(function.reference),
        py::arg("errors") = std::string(function.errors), py::arg("differentiable") = function.differentiable,
        py::arg("inplace") = function.inplace));
  return entries;
}

void intern_names() {
  name_out = PyUnicode_InternFromString("out");
  name_layout = PyUnicode_InternFromString("layout");
  name_pin_memory = PyUnicode_InternFromString("pin_memory");
  name_memory_format = PyUnicode_InternFromString("memory_format");
  name_sparse_grad = PyUnicode_InternFromString("sparse_grad");
  constexpr std::pair<const char*, const char*> texts[] = {{"self", "input"},
                                                           {"x", "input"},
                                                           {"x1", "input"},
                                                           {"tensor", "input"},
                                                           {"x2", "other"},
                                                           {"axis", "dim"},
                                                           {"keepdims", "keepdim"},
                                                           {"split_size", "split_size_or_sections"},
                                                           {"split_sizes", "split_size_or_sections"},
                                                           {"indices", "indices_or_sections"},
                                                           {"sections", "indices_or_sections"}};
  for (const auto& [alias, parameter] : texts)
    aliases.emplace_back(PyUnicode_InternFromString(alias), PyUnicode_InternFromString(parameter));
}

}  // namespace

void bind_functions(py::module_& module) {
  intern_names();
  function_type = make_type("taper.function", false);
  method_type = make_type("taper.method", true);
  py::dict homes;
  for (const auto& [home, functions] : by_home()) {
    if (home == "Tensor") {
      add_methods(functions);
      continue;
    }
    py::dict members;
    for (const auto& [name, overloads] : functions)
      members[name.c_str()] = py::reinterpret_steal<py::object>(make_function(name, overloads, false, false));
    homes[home.c_str()] = members;
  }
  module.attr("_homes") = homes;
  bind_watching(module);
  module.def("_write_out", [](const py::object& out, const py::object& result, const std::string& name) {
    if (is_tensor(result.ptr())) return write_out(out.ptr(), tensor_of(result.ptr()), {}, name);
    Tensors results;
    for (const py::handle item : result) results.push_back(py::cast<Tensor>(item));
    write_out(out.ptr(), results, {}, name);
  });
  module.def("_registry", registry_entries,
             "All operations: signature, doc, homes, samples, reference, errors.");
}

}  // namespace taper::python
