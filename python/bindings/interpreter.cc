// Taking the GIL, also while the interpreter ends.
#include "interpreter.h"

#include <cxxabi.h>
#include <unistd.h>

namespace taper::python {

void wait_for_the_end() noexcept {
  for (;;) pause();
}

namespace {

template <class F>
auto take(F&& body) {
  try {
    return body();
  } catch (const abi::__forced_unwind&) {
    wait_for_the_end();
  }
}

}  // namespace

WithoutGil::~WithoutGil() {
  take([this] { PyEval_RestoreThread(state_); });
}

WithGil::WithGil() : state_(take([] { return PyGILState_Ensure(); })) {}

WithGil::~WithGil() {
  if (!PyGILState_Check()) wait_for_the_end();  // Python code within was unwound
  PyGILState_Release(state_);
}

}  // namespace taper::python
