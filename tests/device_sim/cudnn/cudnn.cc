// The stand-in libcudnn: the backend API as far as convolutions need it, computed by plain loops in float64.
// It refuses descriptors that lack an attribute or do not fit together, and offers an inexact engine first,
// which must not be chosen. Written from cuDNN's documentation, independently of what calls it. Each
// execution adds a line, the pass and its engine, to the file that DEVICE_SIM_CUDNN_LOG names.
#include <cudnn_backend.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "../ptx/access_checker.h"
#include "../ptx/values.h"
#include "../runtime/runtime.h"

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

using namespace device_sim;

namespace {

constexpr int64_t workspace_bytes = 512;

// Engines by number, in the order in which they are offered, and what cuDNN would note of them.
enum Engine { narrowing, tensor_cores, unordered, exact, engine_count };
constexpr cudnnBackendNumericalNote_t notes[] = {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
                                                 CUDNN_NUMERICAL_NOTE_TENSOR_CORE,
                                                 CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC};

struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};
thread_local std::string last_error;

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool final = false;
  int engine = narrowing;  // of configurations and what is made of them
  std::map<int, std::vector<std::byte>> values;
  std::map<int, int64_t> counts;
  std::map<int, std::shared_ptr<const Descriptor>> parts;

  const Descriptor& part(int name) const {
    const auto found = parts.find(name);
    if (found == parts.end()) throw Refused("a descriptor lacks part " + std::to_string(name));
    return *found->second;
  }
  template <class T>
  std::vector<T> list(int name) const {
    const auto found = values.find(name);
    if (found == values.end()) throw Refused("a descriptor lacks attribute " + std::to_string(name));
    if (found->second.size() != size_t(counts.at(name)) * sizeof(T)) throw Refused("wrong type of attribute");
    std::vector<T> result(size_t(counts.at(name)));
    std::memcpy(result.data(), found->second.data(), found->second.size());
    return result;
  }
  template <class T>
  T value(int name) const {
    const auto all = list<T>(name);
    if (all.size() != 1) throw Refused("expected one value of attribute " + std::to_string(name));
    return all[0];
  }
};

size_t bytes_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR: return 8;
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    default: return 4;
  }
}

struct Tensor {
  cudnnDataType_t type;
  std::vector<int64_t> sizes, strides;
  int64_t name, alignment;

  explicit Tensor(const Descriptor& d)
      : type(d.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        sizes(d.list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(d.list<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        name(d.value<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        alignment(d.value<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)) {
    if (sizes.size() != strides.size() || sizes.size() < 4 || sizes.size() > 5)
      throw Refused("a tensor needs 4 or 5 sizes and strides");
    for (const int64_t size : sizes)
      if (size <= 0) throw Refused("sizes of a tensor must be positive");
  }
  int64_t count() const {
    int64_t product = 1;
    for (const int64_t size : sizes) product *= size;
    return product;
  }
  int64_t bytes() const { return type == CUDNN_DATA_DOUBLE ? 8 : type == CUDNN_DATA_FLOAT ? 4 : 2; }
};

enum class Pass { forward, data, filter };

struct Convolution {
  Pass pass;
  Tensor x, w, y;
  std::vector<int64_t> before, after, dilation, stride;
  double alpha, beta;

  Convolution(const Descriptor& d, Pass which, int x_name, int w_name, int y_name, int geometry,
              int alpha_name, int beta_name)
      : pass(which), x(d.part(x_name)), w(d.part(w_name)), y(d.part(y_name)) {
    const Descriptor& g = d.part(geometry);
    const auto dims = g.value<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
    before = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    after = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
    dilation = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
    stride = g.list<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    if (g.value<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION)
      throw Refused("only cross correlation is here");
    const bool wide = x.type == CUDNN_DATA_DOUBLE;
    if (g.value<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) !=
        (wide ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT))
      throw Refused("sums must be float32, or float64 of float64");
    alpha = wide ? d.value<double>(alpha_name) : double(d.value<float>(alpha_name));
    beta = wide ? d.value<double>(beta_name) : double(d.value<float>(beta_name));
    check(dims);
  }

  void check(int64_t dims) const {
    for (const auto* list : {&before, &after, &dilation, &stride})
      if (int64_t(list->size()) != dims) throw Refused("a list of the geometry has another length");
    if (int64_t(x.sizes.size()) != dims + 2 || x.sizes.size() != w.sizes.size() ||
        x.sizes.size() != y.sizes.size() || x.type != w.type || x.type != y.type)
      throw Refused("operands differ in dimensions or type");
    if (x.sizes[0] != y.sizes[0] || w.sizes[0] != y.sizes[1] || x.sizes[1] % w.sizes[1] != 0 ||
        y.sizes[1] % (x.sizes[1] / w.sizes[1]) != 0)
      throw Refused("batches or channels do not fit");
    for (size_t i = 0; i < before.size(); ++i) {
      const int64_t room = x.sizes[i + 2] + before[i] + after[i] - dilation[i] * (w.sizes[i + 2] - 1) - 1;
      if (room < 0 || y.sizes[i + 2] != room / stride[i] + 1) throw Refused("sizes do not fit");
    }
  }
};

Convolution convolution_of(const Descriptor& d) {
  switch (d.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return {d,
              Pass::forward,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return {d,
              Pass::data,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return {d,
              Pass::filter,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    default: throw Refused("no such operation");
  }
}

// Places, in elements of the memory, of all indices of a tensor in row-major order.
std::vector<int64_t> places_of(const Tensor& t) {
  std::vector<int64_t> places{0};
  for (size_t d = 0; d < t.sizes.size(); ++d) {
    std::vector<int64_t> more;
    for (const int64_t place : places)
      for (int64_t i = 0; i < t.sizes[d]; ++i) more.push_back(place + i * t.strides[d]);
    places = std::move(more);
  }
  return places;
}

double load(const void* data, cudnnDataType_t type, int64_t at) {
  switch (type) {
    case CUDNN_DATA_HALF: return double(static_cast<const Half*>(data)[at]);
    case CUDNN_DATA_BFLOAT16: return double(float(static_cast<const Bfloat16*>(data)[at]));
    case CUDNN_DATA_FLOAT: return static_cast<const float*>(data)[at];
    default: return static_cast<const double*>(data)[at];
  }
}
void store(void* data, cudnnDataType_t type, int64_t at, double value) {
  switch (type) {
    case CUDNN_DATA_HALF: static_cast<Half*>(data)[at] = Half(value); break;
    case CUDNN_DATA_BFLOAT16: static_cast<Bfloat16*>(data)[at] = Bfloat16(value); break;
    case CUDNN_DATA_FLOAT: static_cast<float*>(data)[at] = float(value); break;
    default: static_cast<double*>(data)[at] = value;
  }
}

void touch(const Tensor& t, const void* data, bool write, const char* what) {
  for (const int64_t place : places_of(t))
    AccessChecker::instance().access_range(static_cast<const char*>(data) + place * t.bytes(),
                                           size_t(t.bytes()), write, what);
}

std::vector<double> gathered(const Tensor& t, const void* data, bool tf32) {
  std::vector<double> values;
  for (const int64_t place : places_of(t))
    values.push_back(load(DeviceMemory::instance().host_view(data), t.type, place));
  if (tf32)
    for (double& value : values) value = to_tf32(value);
  return values;
}

// Calls meet(x, w, y) with the row-major numbers of elements that meet in a product.
void each_product(const Convolution& c, const std::function<void(int64_t, int64_t, int64_t)>& meet) {
  const size_t dims = c.before.size();
  int64_t plane_x = 1, plane_y = 1, window = 1;
  for (size_t i = 0; i < dims; ++i)
    plane_x *= c.x.sizes[i + 2], plane_y *= c.y.sizes[i + 2], window *= c.w.sizes[i + 2];
  const int64_t inputs = c.w.sizes[1], outputs = c.y.sizes[1], group_out = outputs / (c.x.sizes[1] / inputs);
  for (int64_t place_y = 0; place_y < plane_y; ++place_y)
    for (int64_t k = 0; k < window; ++k) {
      int64_t place_x = 0, step = 1, rest_y = place_y, rest_k = k;
      bool inside = true;
      for (size_t i = dims; i-- > 0;) {
        const int64_t at =
            rest_y % c.y.sizes[i + 2] * c.stride[i] - c.before[i] + rest_k % c.w.sizes[i + 2] * c.dilation[i];
        rest_y /= c.y.sizes[i + 2], rest_k /= c.w.sizes[i + 2];
        inside = inside && at >= 0 && at < c.x.sizes[i + 2];
        place_x += at * step, step *= c.x.sizes[i + 2];
      }
      for (int64_t n = 0; inside && n < c.x.sizes[0]; ++n)
        for (int64_t o = 0; o < outputs; ++o)
          for (int64_t i = 0; i < inputs; ++i)
            meet((n * c.x.sizes[1] + o / group_out * inputs + i) * plane_x + place_x,
                 (o * inputs + i) * window + k, (n * outputs + o) * plane_y + place_y);
    }
}

void run_now(const Convolution& c, void* x, void* w, void* y, void* workspace, bool tf32) {
  const bool to_x = c.pass == Pass::data, to_w = c.pass == Pass::filter, to_y = c.pass == Pass::forward;
  AccessChecker::instance().access_range(workspace, workspace_bytes, true, "the workspace of a convolution");
  if (!to_x) touch(c.x, x, false, "x of a convolution");
  if (!to_w) touch(c.w, w, false, "w of a convolution");
  if (!to_y) touch(c.y, y, false, "y of a convolution");
  const auto values_x = to_x ? std::vector<double>() : gathered(c.x, x, tf32);
  const auto values_w = to_w ? std::vector<double>() : gathered(c.w, w, tf32);
  const auto values_y = to_y ? std::vector<double>() : gathered(c.y, y, tf32);
  const Tensor& result = to_x ? c.x : to_w ? c.w : c.y;
  void* target = to_x ? x : to_w ? w : y;
  std::vector<double> sums(size_t(result.count()));
  each_product(c, [&](int64_t i, int64_t k, int64_t o) {
    if (to_x) sums[size_t(i)] += values_w[size_t(k)] * values_y[size_t(o)];
    else if (to_w) sums[size_t(k)] += values_x[size_t(i)] * values_y[size_t(o)];
    else sums[size_t(o)] += values_x[size_t(i)] * values_w[size_t(k)];
  });
  if (c.beta != 0) throw std::logic_error("beta of a convolution is not supported here");
  touch(result, target, true, "the result of a convolution");
  const auto places = places_of(result);
  for (size_t i = 0; i < sums.size(); ++i)
    store(DeviceMemory::instance().host_view(target), result.type, places[i], c.alpha * sums[i]);
}

void check_final(Descriptor& d) {
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: Tensor{d}; break;
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: d.value<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS); break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      d.part(CUDNN_ATTR_OPERATIONGRAPH_OPS), d.value<void*>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE);
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      d.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      d.value<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE);
      break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      d.engine = d.part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).engine;
      d.value<void*>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
      break;
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      if (d.list<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size() !=
          d.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size())
        throw Refused("names and addresses differ in number");
      d.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
      break;
    default: convolution_of(d);
  }
  d.final = true;
}

template <class F>
cudnnStatus_t guarded(F&& f) {
  try {
    f();
    return CUDNN_STATUS_SUCCESS;
  } catch (const Refused& error) {
    last_error = error.what();
    return CUDNN_STATUS_BAD_PARAM;
  }
}

Descriptor& of(cudnnBackendDescriptor_t descriptor) { return *static_cast<Descriptor*>(descriptor); }

// What a descriptor answers when asked; the number of values.
int64_t answer(const Descriptor& d, cudnnBackendAttributeName_t name, void* values) {
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
      for (int engine = 0; engine < engine_count; ++engine) {
        Descriptor& configuration = of(static_cast<cudnnBackendDescriptor_t*>(values)[engine]);
        configuration.engine = engine;
        configuration.parts[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] =
            d.parts.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
        configuration.final = true;
      }
      return engine_count;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      of(*static_cast<cudnnBackendDescriptor_t*>(values)).engine = d.engine;
      return 1;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      if (d.engine == exact) return 0;
      *static_cast<cudnnBackendNumericalNote_t*>(values) = notes[d.engine];
      return 1;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE: *static_cast<int64_t*>(values) = workspace_bytes; return 1;
    default: throw Refused("no answer for attribute " + std::to_string(name));
  }
}

void execute(cudnnHandle_t handle, const Descriptor& plan, const Descriptor& pack) {
  if (!plan.final || !pack.final) throw Refused("a plan or its operands are not finalized");
  if (plan.engine == narrowing) throw Refused("the inexact engine was chosen");
  const Convolution c = convolution_of(plan.part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
                                           .part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)
                                           .part(CUDNN_ATTR_OPERATIONGRAPH_OPS));
  const auto names = pack.list<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto addresses = pack.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  const auto address = [&](const Tensor& t) {
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i] == t.name) {
        if (reinterpret_cast<uintptr_t>(addresses[i]) % uintptr_t(t.alignment))
          throw Refused("an address is less aligned than promised");
        return addresses[i];
      }
    throw Refused("an operand has no address");
  };
  void *const x = address(c.x), *const w = address(c.w), *const y = address(c.y);
  void* const workspace = pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  if (const char* log = std::getenv("DEVICE_SIM_CUDNN_LOG")) {
    constexpr const char* passes[] = {"forward", "data", "filter"};
    std::ofstream(log, std::ios::app) << passes[int(c.pass)] << " " << plan.engine << "\n";
  }
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const bool tf32 = plan.engine == tensor_cores && c.x.type == CUDNN_DATA_FLOAT;
  // The engine that is offered last is the fastest.
  const double slowness = 1e6 * (exact - plan.engine);
  if (runtime.enqueue(handle->stream, [=] {
        run_now(c, x, w, y, workspace, tf32);
        Runtime::instance().pretended += slowness;
      }))
    throw Refused("the stream does not take it");
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return 91900; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
const char* cudnnGetErrorString(cudnnStatus_t status) { return status ? "refused" : "success"; }
void cudnnGetLastErrorString(char* message, size_t size) {
  if (!size) return;
  std::strncpy(message, last_error.c_str(), size - 1);
  message[size - 1] = 0;
}
cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* made) {
  auto* descriptor = new Descriptor{};
  descriptor->type = type;
  *made = descriptor;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete &of(descriptor);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  return guarded([&] {
    Descriptor& d = of(descriptor);
    if (d.final) throw Refused("a finalized descriptor is changed");
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
      const Descriptor& part = of(*static_cast<const cudnnBackendDescriptor_t*>(values));
      if (count != 1 || !part.final) throw Refused("expected one finalized descriptor");
      d.parts[name] = std::make_shared<Descriptor>(part);
      return;
    }
    const auto* bytes = static_cast<const std::byte*>(values);
    d.values[name].assign(bytes, bytes + size_t(count) * bytes_of(type));
    d.counts[name] = count;
  });
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t, int64_t* count, void* values) {
  return guarded([&] { *count = answer(of(descriptor), name, values); });
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return guarded([&] { check_final(of(descriptor)); });
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  return guarded([&] { execute(handle, of(plan), of(pack)); });
}
}
