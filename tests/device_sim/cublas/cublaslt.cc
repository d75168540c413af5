// The stand-in libcublasLt: products with layouts, batches, bias and activation, or sums of an operand.
#include <cublasLt.h>

#include <cstring>

#include "../ptx/access_checker.h"
#include "../runtime/runtime.h"
#include "gemm.h"

using namespace device_sim;

namespace {

// The opaque structures are large enough to hold ours.
struct Layout {
  MatrixOperand matrix;
  int32_t order = CUBLASLT_ORDER_COL, batch = 1;
};
struct Description {
  cublasComputeType_t compute;
  cudaDataType scale_type, bias_type;
  int32_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N, pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  bool has_bias_type = false;
};
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(Description) <= sizeof(cublasLtMatmulDescOpaque_t));

struct Preference {
  uint64_t workspace = 0;
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK, alignment[4] = {256, 256, 256, 256};
};
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t));

constexpr size_t workspace_bytes = 512;

// What an algorithm was chosen for, which it must be used for.
struct Algorithm {
  uint32_t rows, columns, depth, workspace, epilogue;
  uint16_t alignment[4], vector_alignment, type, tf32, reduced;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

Preference* preference(cublasLtMatmulPreference_t handle) { return reinterpret_cast<Preference*>(handle); }
Algorithm& algorithm(cublasLtMatmulAlgo_t* handle) { return *reinterpret_cast<Algorithm*>(handle); }

int64_t depth_of(const Product& p) { return p.op_a == CUBLAS_OP_N ? p.a.columns : p.a.rows; }

// What the address of a vector is a multiple of, as far as products care.
uint16_t alignment_of(const void* vector) {
  const uintptr_t bits = reinterpret_cast<uintptr_t>(vector) | 16;
  return uint16_t(bits & -bits);
}

Algorithm algorithm_of(const Product& p, const Description& given, const Preference& wanted,
                       size_t workspace) {
  Algorithm made{};
  made.epilogue = given.epilogue, made.vector_alignment = alignment_of(given.bias);
  made.rows = uint32_t(p.d.rows), made.columns = uint32_t(p.d.columns), made.depth = uint32_t(depth_of(p));
  made.workspace = uint32_t(workspace), made.type = uint16_t(p.d.type), made.tf32 = p.tf32;
  const bool narrow = p.d.type == CUDA_R_16F || p.d.type == CUDA_R_16BF;
  made.reduced = narrow && (wanted.reductions &
                            (CUBLASLT_REDUCTION_SCHEME_INPLACE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE));
  for (int k = 0; k < 4; ++k) made.alignment[k] = uint16_t(wanted.alignment[k]);
  return made;
}

bool is_for(const Algorithm& made, const Product& p, const Description& given, size_t workspace) {
  const void* addresses[] = {p.a.data, p.b.data, p.c.data, p.d.data};
  for (int k = 0; k < 4; ++k)
    if (reinterpret_cast<uintptr_t>(addresses[k]) % made.alignment[k]) return false;
  if (made.epilogue != given.epilogue || made.vector_alignment > alignment_of(given.bias)) return false;
  return made.rows == p.d.rows && made.columns == p.d.columns && made.depth == depth_of(p) &&
         made.type == p.d.type && made.tf32 == p.tf32 && workspace >= made.workspace;
}

Layout* layout(cublasLtMatrixLayout_t handle) { return reinterpret_cast<Layout*>(handle); }
Description* description(cublasLtMatmulDesc_t handle) { return reinterpret_cast<Description*>(handle); }

template <class T>
cublasStatus_t take(T& field, const void* buffer, size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&field, buffer, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

MatrixOperand operand(cublasLtMatrixLayout_t handle, const void* data) {
  const Layout& given = *layout(handle);
  MatrixOperand matrix = given.matrix;
  matrix.data = const_cast<void*>(data);
  matrix.row_major = given.order == CUBLASLT_ORDER_ROW;
  return matrix;
}

// Those that need no further matrix. In float64 neither gelu nor sums, so that programs must do without, too.
bool set_epilogue(Product& product, const Description& given) {
  const bool narrow = product.d.type != CUDA_R_64F && product.d.type != CUDA_C_64F;
  const bool real = product.d.type != CUDA_C_32F && product.d.type != CUDA_C_64F;
  product.bias_type = given.has_bias_type ? given.bias_type : product.d.type;
  switch (given.epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT: return true;
    case CUBLASLT_EPILOGUE_RELU: product.activation = Activation::relu; return real;
    case CUBLASLT_EPILOGUE_GELU: product.activation = Activation::gelu; return real && narrow;
    case CUBLASLT_EPILOGUE_BIAS: break;
    case CUBLASLT_EPILOGUE_RELU_BIAS: product.activation = Activation::relu; break;
    case CUBLASLT_EPILOGUE_GELU_BIAS:
      product.activation = Activation::gelu;
      if (!narrow) return false;
      break;
    case CUBLASLT_EPILOGUE_BGRADA: product.row_sums = const_cast<void*>(given.bias); break;
    case CUBLASLT_EPILOGUE_BGRADB: product.column_sums = const_cast<void*>(given.bias); break;
    default: return false;
  }
  const bool sums = given.epilogue & (CUBLASLT_EPILOGUE_BGRADA | CUBLASLT_EPILOGUE_BGRADB);
  if (sums && (!narrow || product.batch != 1)) return false;
  if (!sums) product.bias = given.bias;
  return real && given.bias && product.bias_type == product.d.type &&
         reinterpret_cast<uintptr_t>(given.bias) % size_t(element_bytes(product.bias_type)) == 0;
}

cublasStatus_t product_of(cublasLtMatmulDesc_t operation, const void* a, cublasLtMatrixLayout_t a_layout,
                          const void* b, cublasLtMatrixLayout_t b_layout, const void* c,
                          cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                          Product& product) {
  if (!operation || !a_layout || !b_layout || !c_layout || !d_layout) return CUBLAS_STATUS_INVALID_VALUE;
  const Description& given = *description(operation);
  if (given.pointer_mode != CUBLASLT_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
  product.a = operand(a_layout, a), product.b = operand(b_layout, b);
  product.c = operand(c_layout, c), product.d = operand(d_layout, d);
  product.op_a = cublasOperation_t(given.op_a), product.op_b = cublasOperation_t(given.op_b);
  product.batch = layout(d_layout)->batch;
  product.tf32 = allows_tf32(given.compute);
  for (const auto handle : {a_layout, b_layout, c_layout})
    if (layout(handle)->batch != product.batch) return CUBLAS_STATUS_INVALID_VALUE;
  if (!set_epilogue(product, given)) return CUBLAS_STATUS_NOT_SUPPORTED;
  return check(product);
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(new int(0));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete reinterpret_cast<int*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() { return CUBLAS_VERSION; }
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status ? "a call was refused" : "success";
}
const char* cublasLtGetStatusName(cublasStatus_t status) {
  return status ? "CUBLAS_STATUS_ERROR" : "CUBLAS_STATUS_SUCCESS";
}

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t handle, size_t, cudaDataType type,
                                                 uint64_t rows, uint64_t columns, int64_t leading) {
  *new (handle) Layout =
      Layout{{nullptr, type, int64_t(rows), int64_t(columns), leading, false, 0}, CUBLASLT_ORDER_COL, 1};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* handle, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  *handle = reinterpret_cast<cublasLtMatrixLayout_t>(new Layout);
  return cublasLtMatrixLayoutInit_internal(*handle, sizeof(Layout), type, rows, columns, leading);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t handle) {
  delete layout(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t handle,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* buffer,
                                                size_t bytes) {
  Layout& given = *layout(handle);
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_ORDER: return take(given.order, buffer, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD: return take(given.matrix.leading, buffer, bytes);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return take(given.batch, buffer, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return take(given.matrix.batch_stride, buffer, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t handle, size_t,
                                               cublasComputeType_t compute, cudaDataType scale_type) {
  Description* made = new (handle) Description;
  made->compute = compute, made->scale_type = scale_type;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* handle, cublasComputeType_t compute,
                                        cudaDataType scale_type) {
  *handle = reinterpret_cast<cublasLtMatmulDesc_t>(new Description);
  return cublasLtMatmulDescInit_internal(*handle, sizeof(Description), compute, scale_type);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t handle) {
  delete description(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle,
                                              cublasLtMatmulDescAttributes_t attribute, const void* buffer,
                                              size_t bytes) {
  Description& given = *description(handle);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(given.op_a, buffer, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(given.op_b, buffer, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(given.epilogue, buffer, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(given.bias, buffer, bytes);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE: return take(given.pointer_mode, buffer, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      given.has_bias_type = true;
      return take(given.bias_type, buffer, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t handle, size_t) {
  new (handle) Preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* handle) {
  *handle = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t handle) {
  delete preference(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* buffer, size_t bytes) {
  Preference& given = *preference(handle);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return take(given.workspace, buffer, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return take(given.reductions, buffer, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return take(given.alignment[0], buffer, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return take(given.alignment[1], buffer, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return take(given.alignment[2], buffer, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return take(given.alignment[3], buffer, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

// One algorithm for each product that is possible.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wanted, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* returned) {
  Product product;
  *returned = 0;
  const cublasStatus_t status =
      product_of(operation, nullptr, a, nullptr, b, nullptr, c, nullptr, d, product);
  if (status) return status;
  if (requested < 1) return CUBLAS_STATUS_INVALID_VALUE;
  std::memset(&results[0], 0, sizeof results[0]);
  results[0].state = CUBLAS_STATUS_SUCCESS;
  if (preference(wanted)->workspace >= workspace_bytes) results[0].workspaceSize = workspace_bytes;
  algorithm(&results[0].algo) =
      algorithm_of(product, *description(operation), *preference(wanted), results[0].workspaceSize);
  *returned = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* chosen, void* workspace, size_t given_bytes,
                              cudaStream_t stream) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
  if (given_bytes && !is_device_memory(workspace, given_bytes)) return CUBLAS_STATUS_INVALID_VALUE;
  Product product;
  const cublasStatus_t status =
      product_of(operation, a, a_layout, b, b_layout, c, c_layout, d, d_layout, product);
  if (status) return status;
  read_scale(product.alpha, alpha, description(operation)->scale_type);
  read_scale(product.beta, beta, description(operation)->scale_type);
  if (chosen) {
    const Algorithm& of = *reinterpret_cast<const Algorithm*>(chosen);
    if (!is_for(of, product, *description(operation), given_bytes)) return CUBLAS_STATUS_NOT_SUPPORTED;
    product.reduced = of.reduced;
  }
  if (given_bytes) {
    Runtime& runtime = Runtime::instance();
    const Lock lock(runtime.mutex);
    const auto scribble = [=] {
      AccessChecker::instance().access_range(workspace, given_bytes, true, "the workspace of a product");
      std::memset(DeviceMemory::instance().host_view(workspace), 0x5a, given_bytes);
    };
    if (runtime.enqueue(stream, scribble)) return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  return enqueue(product, stream);
}

}  // extern "C"
