// The callables that stand for the registry's operations, and what may watch their calls.
#pragma once

#include <string>
#include <vector>

#include "autocast.h"
#include "python.h"

namespace taper::python {

/// One form of an operation, with its signature taken apart.
struct Overload {
  const Function* function;
  Signature signature;
  std::vector<PyObject*> names;  // interned
  PyObject* results = nullptr;   // the named tuple type of several results
  Cast cast = Cast::none;
};

struct FunctionObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  std::vector<const Function*>* functions;
  std::vector<Overload>* overloads;  // null until the first call: most operations are never called
  std::string* name;
  bool method, inplace;
};

inline FunctionObject* as_function(PyObject* self) { return reinterpret_cast<FunctionObject*>(self); }

/// Parses the arguments and calls the overload that fits.
PyObject* call_function(PyObject* self, PyObject* const* arguments, std::size_t flagged_count,
                        PyObject* keywords);

/// Makes every operation go through watch from now on, or (null) as before. Nothing is asked per call where
/// nothing watches: the callables' entries are exchanged.
void watch_functions(vectorcallfunc watch);

/// Whether the class of one of the arguments, or of an entry of one that is a list or tuple, takes calls
/// over.
bool any_takes_over(PyObject* const* arguments, Py_ssize_t count);

/// For a call that fits no overload: the result of a class among the arguments that takes it over; null
/// without an error where there is none.
PyObject* call_taken_over(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords);

void bind_watching(py::module_& module);

/// Whether a profile is being taken.
extern bool profiling;

/// One entry of the profile, from construction to destruction.
class Profiled {
 public:
  explicit Profiled(const char* name) {
    if (profiling) [[unlikely]]
      begin(name);
  }
  ~Profiled() {
    if (entry_ >= 0) [[unlikely]]
      end();
  }
  Profiled(const Profiled&) = delete;
  Profiled& operator=(const Profiled&) = delete;

 private:
  void begin(const char* name);
  void end() noexcept;
  std::int64_t entry_ = -1;
};

}  // namespace taper::python
