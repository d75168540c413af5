// Products by cuBLASLt, with algorithms kept by what they are for. What is called: cublasLtMatmul
// cublasLtMatmulAlgoGetHeuristic, Init and SetAttribute of descriptions, layouts and preferences.
#include "cuda/cublaslt.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <optional>

#include "cuda/cublas.h"
#include "cuda/runtime.h"

namespace taper::cuda {

namespace {

using std::int64_t;

// Enough for all algorithms on Hopper, as cuBLAS' manual recommends.
constexpr std::size_t most_workspace = std::size_t(32) << 20;

void check(cublasStatus_t status, const char* call) { check_cublas(status, "linear", call); }

/// What cuBLASLt is told of a product.
struct Descriptions {
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t a, b, d;

  explicit Descriptions(const EpilogueProduct& p) {
    check(cublasLtMatmulDescInit(&operation, p.compute, p.scale_type), "cublasLtMatmulDescInit");
    set(CUBLASLT_MATMUL_DESC_TRANSA, std::int32_t(p.op_a));
    set(CUBLASLT_MATMUL_DESC_TRANSB, std::int32_t(p.op_b));
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, std::uint32_t(p.epilogue));
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.vector);
    const bool plain_a = p.op_a == CUBLAS_OP_N, plain_b = p.op_b == CUBLAS_OP_N;
    lay(a, p.type, plain_a ? p.m : p.k, plain_a ? p.k : p.m, p.lda);
    lay(b, p.type, plain_b ? p.k : p.n, plain_b ? p.n : p.k, p.ldb);
    lay(d, p.type, p.m, p.n, p.ldd);
  }

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t name, const T& value) {
    check(cublasLtMatmulDescSetAttribute(&operation, name, &value, sizeof value),
          "cublasLtMatmulDescSetAttribute");
  }
  static void lay(cublasLtMatrixLayoutOpaque_t& layout, cudaDataType_t type, int64_t rows, int64_t columns,
                  int64_t leading) {
    check(cublasLtMatrixLayoutInit(&layout, type, std::uint64_t(rows), std::uint64_t(columns), leading),
          "cublasLtMatrixLayoutInit");
  }
};

/// The largest power of two, up to 256, that divides an address.
std::uint32_t alignment_of(const void* address) {
  const std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(address) | 256;
  return std::uint32_t(bits & -bits);
}

struct Algorithm {
  cublasLtMatmulAlgo_t algorithm;
  std::size_t workspace;
};

/// cuBLASLt's first choice, if any.
std::optional<Algorithm> ask(cublasLtHandle_t handle, const EpilogueProduct& p, Descriptions& of) {
  cublasLtMatmulPreferenceOpaque_t preference;
  check(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    check(cublasLtMatmulPreferenceSetAttribute(&preference, name, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_workspace);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.a));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.b));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(p.d));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, std::min(alignment_of(p.d), alignment_of(p.vector)));
  if (p.exact_parts)
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        std::uint32_t(CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  cublasLtMatmulHeuristicResult_t result;
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, &of.operation, &of.a, &of.b, &of.d,
                                                               &of.d, &preference, 1, &result, &found);
  if (status != CUBLAS_STATUS_SUCCESS || found == 0 || result.state != CUBLAS_STATUS_SUCCESS)
    return std::nullopt;
  return Algorithm{result.algo, result.workspaceSize};
}

std::optional<Algorithm> algorithm_for(cublasLtHandle_t handle, const EpilogueProduct& p, Descriptions& of) {
  using Key = std::array<int64_t, 17>;
  static std::mutex lock;
  static auto& kept = *new std::map<Key, std::optional<Algorithm>>;
  const Key key{runtime().device_in_use(),
                p.type,
                p.compute,
                p.op_a,
                p.op_b,
                p.m,
                p.n,
                p.k,
                p.lda,
                p.ldb,
                p.ldd,
                p.exact_parts,
                p.epilogue,
                alignment_of(p.a),
                alignment_of(p.b),
                alignment_of(p.d),
                alignment_of(p.vector)};
  const std::lock_guard guard(lock);
  const auto found = kept.find(key);
  if (found != kept.end()) return found->second;
  return kept.emplace(key, ask(handle, p, of)).first->second;
}

}  // namespace

bool run_with_epilogue(const EpilogueProduct& p) {
  Descriptions of(p);
  // A handle of cuBLAS is one of cuBLASLt, too.
  const auto handle = reinterpret_cast<cublasLtHandle_t>(cublas_in_use());
  const std::optional<Algorithm> chosen = algorithm_for(handle, p, of);
  if (!chosen) return false;
  const Scratch workspace{int64_t(chosen->workspace)};
  const double zero = 0;  // of any type
  check(cublasLtMatmul(handle, &of.operation, p.alpha, p.a, &of.a, p.b, &of.b, &zero, p.d, &of.d, p.d, &of.d,
                       &chosen->algorithm, workspace.data(), chosen->workspace, runtime().stream_in_use()),
        "cublasLtMatmul");
  return true;
}

}  // namespace taper::cuda
