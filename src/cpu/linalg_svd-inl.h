// The singular value decomposition of one matrix, in float64: Eigen's is long to compile, so each element
// type has its own file.
#pragma once

#include "cpu/linalg-inl.h"

namespace taper::cpu::linalg {

template <class T>
struct Decomposition {
  Columns<T> u, v;
  Vector<double> s;
  bool converged;
};

enum class Wanted { values, thin, full };

Decomposition<double> decompose(const Columns<double>& x, Wanted wanted);
Decomposition<std::complex<double>> decompose(const Columns<std::complex<double>>& x, Wanted wanted);

template <class Solver, class T>
Decomposition<T> decompose_by(const Columns<T>& x, Wanted wanted) {
  const bool vectors = wanted != Wanted::values;
  const Solver solver(x, !vectors                 ? 0
                         : wanted == Wanted::full ? Eigen::ComputeFullU | Eigen::ComputeFullV
                                                  : Eigen::ComputeThinU | Eigen::ComputeThinV);
  Decomposition<T> result;
  result.s = solver.singularValues();
  if (vectors) {
    result.u = solver.matrixU();
    result.v = solver.matrixV();
  }
  result.converged = solver.info() == Eigen::Success;
  return result;
}

}  // namespace taper::cpu::linalg
