// The GIL, and questions to Python's objects that may raise.
#pragma once

#include "python.h"

namespace taper::python {

/// For a thread that the ending interpreter unwinds (pthread_exit, up to Python 3.13) where it asks for the
/// GIL. Destructors cannot be unwound, so that would end the process: the thread sleeps until the process
/// ends instead.
[[noreturn]] void wait_for_the_end() noexcept;

/// Gives the GIL up for as long as it lives.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil();

 private:
  PyThreadState* state_;
};

/// Holds the GIL for as long as it lives, in any thread.
class WithGil {
 public:
  WithGil();
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;
  ~WithGil();

 private:
  PyGILState_STATE state_;
};

/// The truth of an object; throws where it raises.
inline bool truth_of(PyObject* object) {
  const int truth = PyObject_IsTrue(object);
  if (truth < 0) throw py::error_already_set();
  return truth != 0;
}

}  // namespace taper::python
