// The stand-in libcudnn: the backend API, whose graphs are computed operation by operation. It refuses
// descriptors that lack an attribute or do not fit together, and offers an inexact engine first, which must
// not be chosen. Each execution adds a line, its kinds of operations and its engine, to the file that
// DEVICE_SIM_CUDNN_LOG names.
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "../ptx/access_checker.h"
#include "../ptx/values.h"
#include "../runtime/runtime.h"
#include "library.h"
#include "step.h"

using namespace device_sim;

namespace {

constexpr int64_t workspace_bytes = 512;

// Engines by number, in the order in which they are offered, and what cuDNN would note of them.
enum Engine { narrowing, tensor_cores, unordered, exact, engine_count };
constexpr cudnnBackendNumericalNote_t notes[] = {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
                                                 CUDNN_NUMERICAL_NOTE_TENSOR_CORE,
                                                 CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC};

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

void touch(const Tensor& t, const void* data, bool write, const char* what) {
  for (const int64_t place : t.places())
    AccessChecker::instance().access_range(static_cast<const char*>(data) + place * t.bytes(),
                                           size_t(t.bytes()), write, what);
}

Elements read(const Tensor& t, const void* data) {
  touch(t, data, false, "an operand of a graph");
  Elements elements;
  for (const int64_t place : t.places())
    elements.push_back(load(DeviceMemory::instance().host_view(data), t.type, place));
  return elements;
}

void write(const Tensor& t, void* data, const Elements& elements) {
  touch(t, data, true, "a result of a graph");
  const auto places = t.places();
  for (size_t i = 0; i < places.size(); ++i)
    store(DeviceMemory::instance().host_view(data), t.type, places[i], elements[i]);
}

// As the tensor can hold them.
void round_to(cudnnDataType_t type, Elements& elements) {
  for (double& element : elements) {
    double place = 0;
    store(&place, type, 0, element);
    element = load(&place, type, 0);
  }
}

// The steps of a graph, each of which reads only operands and what steps before it made.
std::vector<Step> steps_of(const Descriptor& graph) {
  std::vector<Step> steps;
  std::map<int64_t, Tensor> met;
  std::set<int64_t> made, used;
  const auto meet = [&](const Tensor& t) {
    const Tensor& first = met.emplace(t.name, t).first->second;
    if (first.sizes != t.sizes || first.strides != t.strides || first.type != t.type)
      throw Refused("one name of two tensors");
  };
  for (const auto& operation : graph.list_of_parts(CUDNN_ATTR_OPERATIONGRAPH_OPS)) {
    const Step& step = steps.emplace_back(step_of(*operation));
    for (const Tensor& input : step.inputs) {
      meet(input), used.insert(input.name);
      if (input.intermediate && !made.count(input.name)) throw Refused("an intermediate result is not made");
    }
    for (const Tensor& output : step.outputs) {
      meet(output);
      if (output.number || !made.insert(output.name).second) throw Refused("a result is made twice");
    }
  }
  for (const auto& [name, tensor] : met)
    if (tensor.intermediate && !used.count(name)) throw Refused("an intermediate result is not used");
  return steps;
}

// Computes steps in order; known holds the numbers.
void run_now(const std::vector<Step>& steps, std::map<int64_t, Elements> known,
             const std::map<int64_t, void*>& addresses, void* workspace, bool tf32) {
  AccessChecker::instance().access_range(workspace, workspace_bytes, true, "the workspace of a graph");
  for (const Step& step : steps) {
    std::vector<Elements> inputs;
    for (const Tensor& input : step.inputs) {
      if (!known.count(input.name)) known[input.name] = read(input, addresses.at(input.name));
      inputs.push_back(known[input.name]);
      if (tf32 && step.multiplies_in_tf32 && input.type == CUDNN_DATA_FLOAT)
        for (double& element : inputs.back()) element = to_tf32(element);
    }
    std::vector<Elements> outputs = step.compute(inputs);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& output = step.outputs[i];
      round_to(output.type, outputs[i]);
      if (!output.intermediate) write(output, addresses.at(output.name), outputs[i]);
      known[output.name] = std::move(outputs[i]);
    }
  }
}

void check_final(Descriptor& d) {
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: Tensor{d}; break;
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: d.value<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS); break;
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR: d.value<cudnnDataType_t>(CUDNN_ATTR_POINTWISE_MATH_PREC); break;
    case CUDNN_BACKEND_REDUCTION_DESCRIPTOR: d.value<cudnnDataType_t>(CUDNN_ATTR_REDUCTION_COMP_TYPE); break;
    case CUDNN_BACKEND_MATMUL_DESCRIPTOR: d.value<cudnnDataType_t>(CUDNN_ATTR_MATMUL_COMP_TYPE); break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      steps_of(d), d.value<void*>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE);
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
    default: step_of(d);
  }
  d.final = true;
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

// The kinds of operations in the order in which they first come up.
std::string kinds_of(const std::vector<Step>& steps) {
  std::string kinds;
  std::set<std::string> named;
  for (const Step& step : steps)
    if (named.insert(step.name).second) kinds += (kinds.empty() ? "" : "+") + std::string(step.name);
  return kinds;
}

void execute(cudnnHandle_t handle, const Descriptor& plan, const Descriptor& pack) {
  if (!plan.final || !pack.final) throw Refused("a plan or its operands are not finalized");
  if (plan.engine == narrowing) throw Refused("the inexact engine was chosen");
  const std::vector<Step> steps = steps_of(
      plan.part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH));
  const auto names = pack.list<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto given = pack.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<int64_t, void*> addresses;
  for (size_t i = 0; i < names.size(); ++i) addresses[names[i]] = given[i];
  std::map<int64_t, Elements> numbers;
  const auto meet = [&](const Tensor& t) {
    if (t.intermediate) return;
    if (!addresses.count(t.name)) throw Refused("an operand has no address");
    if (reinterpret_cast<uintptr_t>(addresses[t.name]) % uintptr_t(t.alignment))
      throw Refused("an address is less aligned than promised");
    if (t.number) numbers[t.name] = {load(addresses[t.name], t.type, 0)};
  };
  for (const Step& step : steps) {
    for (const Tensor& input : step.inputs) meet(input);
    for (const Tensor& output : step.outputs) meet(output);
  }
  void* const workspace = pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  log_execution(kinds_of(steps), plan.engine);
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  // The engine that is offered last is the fastest, and faster than other kernels unless it is not to be.
  const double slowness = 1e6 * (exact - plan.engine + (std::getenv("DEVICE_SIM_CUDNN_SLOW") ? 1 : -1));
  const bool tf32 = plan.engine == tensor_cores;
  if (runtime.enqueue(handle->stream, [=] {
        run_now(steps, numbers, addresses, workspace, tf32);
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
  std::strncpy(message, last_error().c_str(), size - 1);
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
      auto& parts = d.parts[name];
      parts.clear();
      for (int64_t i = 0; i < count; ++i) {
        const Descriptor& part = of(static_cast<const cudnnBackendDescriptor_t*>(values)[i]);
        if (!part.final) throw Refused("expected finalized descriptors");
        parts.push_back(std::make_shared<Descriptor>(part));
      }
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
