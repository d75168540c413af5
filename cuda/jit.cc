// NVRTC and the driver, both opened when a text is first compiled, and the calls of cuda::JitFunction.
#include "cuda/jit.h"

#include <nvrtc.h>

#include <algorithm>
#include <complex>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/library.h"
#include "cuda/runtime.h"
#include "tensor/device_jit.h"

namespace taper::cuda {

namespace {

/// The functions of NVRTC that are called.
struct Nvrtc {
  explicit Nvrtc(const char* op) : library(concat("libnvrtc.so.", CUDA_VERSION / 1000).c_str(), op) {}

  Library library;
#define TAPER_NVRTC(name) \
  decltype(&::nvrtc##name) name = library.function<decltype(&::nvrtc##name)>("nvrtc" #name);
  TAPER_NVRTC(CreateProgram)
  TAPER_NVRTC(DestroyProgram)
  TAPER_NVRTC(CompileProgram)
  TAPER_NVRTC(GetErrorString)
  TAPER_NVRTC(GetProgramLogSize)
  TAPER_NVRTC(GetProgramLog)
  TAPER_NVRTC(GetPTXSize)
  TAPER_NVRTC(GetPTX)
  TAPER_NVRTC(GetCUBINSize)
  TAPER_NVRTC(GetCUBIN)
  TAPER_NVRTC(GetNumSupportedArchs)
  TAPER_NVRTC(GetSupportedArchs)
#undef TAPER_NVRTC
};

const Nvrtc& nvrtc(const char* op) {
  static const Nvrtc* const opened = new Nvrtc(op);
  return *opened;
}

/// The functions of the driver that are called.
struct Driver {
  explicit Driver(const char* op) : library("libcuda.so.1", op) {}

  Library library;
#define TAPER_DRIVER(name) decltype(&::cu##name) name = library.function<decltype(&::cu##name)>("cu" #name);
  TAPER_DRIVER(ModuleLoadData)
  TAPER_DRIVER(ModuleGetFunction)
  TAPER_DRIVER(LaunchKernel)
  TAPER_DRIVER(GetErrorString)
#undef TAPER_DRIVER
};

const Driver& driver(const char* op) {
  static const Driver* const opened = new Driver(op);
  return *opened;
}

void check_driver(CUresult status, const char* op, const char* call) {
  if (status == CUDA_SUCCESS) return;
  const char* words = nullptr;
  driver(op).GetErrorString(status, &words);
  fail<Error>(op, ": ", call, " failed: ", words ? words : "unknown error");
}

/// A text that is being compiled.
class Program {
 public:
  Program(const std::string& text, const char* op) : nvrtc_(nvrtc(op)), op_(op) {
    check(nvrtc_.CreateProgram(&program_, text.c_str(), op, 0, nullptr, nullptr), "nvrtcCreateProgram");
  }
  ~Program() { nvrtc_.DestroyProgram(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void compile(const std::string& architecture) {
    const std::string target = "--gpu-architecture=" + architecture;
    const char* options[] = {target.c_str(), "--std=c++17", "--device-as-default-execution-space"};
    const nvrtcResult status = nvrtc_.CompileProgram(program_, 3, options);
    if (status == NVRTC_SUCCESS) return;
    fail<Error>(op_, ": cannot be compiled: ", nvrtc_.GetErrorString(status), "\n",
                text(nvrtc_.GetProgramLogSize, nvrtc_.GetProgramLog));
  }
  std::string ptx() const { return text(nvrtc_.GetPTXSize, nvrtc_.GetPTX); }
  std::string cubin() const { return text(nvrtc_.GetCUBINSize, nvrtc_.GetCUBIN); }

 private:
  void check(nvrtcResult status, const char* call) const {
    taper::check<Error>(status == NVRTC_SUCCESS, op_, ": ", call, " failed: ", nvrtc_.GetErrorString(status));
  }
  std::string text(nvrtcResult (*size_of)(nvrtcProgram, std::size_t*),
                   nvrtcResult (*read)(nvrtcProgram, char*)) const {
    std::size_t size = 0;
    check(size_of(program_, &size), "asking for a size");
    std::string content(size, '\0');
    if (size) check(read(program_, content.data()), "reading a result");
    return content;
  }

  const Nvrtc& nvrtc_;
  const char* op_;
  nvrtcProgram program_ = nullptr;
};

/// The newest architecture that NVRTC knows and is not newer than capability.
int known_architecture(int capability, const char* op) {
  int count = 0;
  nvrtc(op).GetNumSupportedArchs(&count);
  std::vector<int> known(std::size_t(count), 0);
  if (count) nvrtc(op).GetSupportedArchs(known.data());
  int newest = 0;
  for (const int one : known)
    if (one <= capability) newest = std::max(newest, one);
  check<DeviceError>(newest > 0, op, ": NVRTC does not know devices of compute capability ", capability / 10,
                     ".", capability % 10);
  return newest;
}

int capability_in_use() {
  const DeviceProperties properties = runtime().properties(runtime().device_in_use());
  return properties.major * 10 + properties.minor;
}

/// Merges dimensions that all operands pass through as through one. strides: of outputs, then inputs.
void set_dims(PointwiseArguments& a, const Shape& sizes, const std::vector<cpu::Operand>& operands,
              const char* op) {
  a.dims = 0, a.total = 1;
  for (int d = sizes.size() - 1; d >= 0; --d) {
    if (sizes[d] == 1) continue;
    a.total *= sizes[d];
    bool merges = a.dims > 0;
    for (std::size_t k = 0; merges && k < operands.size(); ++k)
      merges = operands[k].strides[d] == a.strides[k][a.dims - 1] * a.sizes[a.dims - 1];
    if (merges) {
      a.sizes[a.dims - 1] *= sizes[d];
      continue;
    }
    check<ShapeError>(a.dims < pointwise_dims, op, ": on CUDA at most ", pointwise_dims,
                      " dimensions may be left after merging, got shape ", sizes);
    a.sizes[a.dims] = sizes[d];
    for (std::size_t k = 0; k < operands.size(); ++k) a.strides[k][a.dims] = operands[k].strides[d];
    ++a.dims;
  }
}

/// The call of the function: y0 = name<T>(x0, ..., v0, ...), or name<T>(x0, ..., v0, ..., y0, ...).
std::string statement_of(const JitCall& call) {
  std::vector<std::string> arguments;
  for (std::size_t k = 0; k < call.inputs.size(); ++k) arguments.push_back(concat("x", k));
  for (std::size_t k = 0; k < call.values.size(); ++k) arguments.push_back(concat("v", k));
  for (std::size_t k = 0; call.by_reference && k < call.outputs.size(); ++k)
    arguments.push_back(concat("y", k));
  std::string text = call.by_reference ? "" : "y0 = ";
  text += call.name + "<T>(";
  for (std::size_t k = 0; k < arguments.size(); ++k) text += (k ? ", " : "") + arguments[k];
  return text + ");";
}

void run(const JitCall& call) {
  const char* op = call.name.c_str();
  PointwiseFormula formula{call.code, statement_of(call), call.common, {}, {}, int(call.values.size())};
  for (const cpu::Operand& x : call.inputs) formula.inputs.push_back(x.dtype);
  for (const cpu::Operand& y : call.outputs) formula.outputs.push_back(y.dtype);
  const CUfunction kernel = kernel_of(pointwise_source(formula), pointwise_kernel, op);
  PointwiseArguments arguments{};
  std::vector<cpu::Operand> operands = call.outputs;
  operands.insert(operands.end(), call.inputs.begin(), call.inputs.end());
  for (std::size_t k = 0; k < operands.size(); ++k) arguments.data[k] = operands[k].data;
  for (std::size_t k = 0; k < call.values.size(); ++k) {
    auto& value = arguments.values[k];
    if (is_integral(call.common, true)) value.integer = call.values[k].to<std::int64_t>();
    else if (!is_complex(call.common)) value.real[0] = call.values[k].to<double>();
    else {
      const auto number = call.values[k].to<std::complex<double>>();
      value.real[0] = number.real(), value.real[1] = number.imag();
    }
  }
  set_dims(arguments, call.sizes, operands, op);
  launch_pointwise(kernel, arguments, op);
}

}  // namespace

CompiledText compile(const std::string& text, int capability, const char* op) {
  const int architecture = known_architecture(capability, op);
  Program program(text, op);
  program.compile(concat("sm_", architecture));
  return {architecture == capability ? program.cubin() : "", program.ptx()};
}

CUfunction kernel_of(const std::string& text, const char* name, const char* op) {
  static std::mutex lock;
  static auto& kept = *new std::map<std::pair<int, std::string>, CUfunction>;
  const std::lock_guard guard(lock);
  const auto key = std::pair(runtime().device_in_use(), text);
  const auto found = kept.find(key);
  if (found != kept.end()) return found->second;
  const CompiledText compiled = compile(text, capability_in_use(), op);
  CUmodule module = nullptr;
  CUresult status = CUDA_ERROR_NO_BINARY_FOR_GPU;
  if (!compiled.cubin.empty()) status = driver(op).ModuleLoadData(&module, compiled.cubin.data());
  if (status != CUDA_SUCCESS) status = driver(op).ModuleLoadData(&module, compiled.ptx.c_str());
  check_driver(status, op, "cuModuleLoadData");
  CUfunction kernel = nullptr;
  check_driver(driver(op).ModuleGetFunction(&kernel, module, name), op, "cuModuleGetFunction");
  return kept[key] = kernel;
}

void launch_pointwise(CUfunction kernel, const PointwiseArguments& arguments, const char* op) {
  const long long most = 32ll * runtime().multi_processors(runtime().device_in_use());
  const long long blocks = (arguments.total + pointwise_threads - 1) / pointwise_threads;
  void* list[] = {const_cast<PointwiseArguments*>(&arguments)};
  check_driver(driver(op).LaunchKernel(kernel, unsigned(std::min(blocks, most)), 1, 1, pointwise_threads, 1,
                                       1, 0, runtime().stream_in_use(), list, nullptr),
               op, "cuLaunchKernel");
}

}  // namespace taper::cuda

extern "C" __attribute__((visibility("default"))) void taper_cuda_run_jit(const taper::JitCall& call) {
  taper::cuda::run(call);
}
