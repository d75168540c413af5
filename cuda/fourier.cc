// Discrete Fourier transforms by cuFFT, which is opened at the first one. What is called of it: cufftCreate
// cufftDestroy cufftSetAutoAllocation cufftMakePlanMany64 cufftSetStream cufftSetWorkArea cufftExecC2C
// cufftExecZ2Z.
#include "cuda/fourier.h"

#include <cufft.h>

#include <algorithm>
#include <list>
#include <vector>

#include "cuda/elementwise.h"
#include "cuda/library.h"
#include "cuda/runtime.h"
#include "taper/error.h"

namespace taper::cuda {

namespace {

#define TAPER_TEXT_OF(number) #number
#define TAPER_TEXT(number) TAPER_TEXT_OF(number)
#define TAPER_FUNCTION(name) decltype(&::name) name = library.function<decltype(&::name)>(#name)
struct Cufft {
  Library library{"libcufft.so." TAPER_TEXT(CUFFT_VER_MAJOR), "fft"};
  TAPER_FUNCTION(cufftCreate);
  TAPER_FUNCTION(cufftDestroy);
  TAPER_FUNCTION(cufftSetAutoAllocation);
  TAPER_FUNCTION(cufftMakePlanMany64);
  TAPER_FUNCTION(cufftSetStream);
  TAPER_FUNCTION(cufftSetWorkArea);
  TAPER_FUNCTION(cufftExecC2C);
  TAPER_FUNCTION(cufftExecZ2Z);
};
#undef TAPER_FUNCTION

const Cufft& cufft() {
  static const Cufft functions;
  return functions;
}

void check_cufft(cufftResult status, const char* what) {
  check<Error>(status == CUFFT_SUCCESS, "fft: cuFFT: ", what, " failed with status ", int(status));
}

/// The transform of `batch` dense rows of n. Its working memory is given to it for each execution.
class Plan {
 public:
  Plan(DType dtype, std::int64_t batch, std::int64_t n) : dtype_(dtype), batch_(batch), n_(n) {
    check_cufft(cufft().cufftCreate(&handle_), "cufftCreate");
    cufftResult status = cufft().cufftSetAutoAllocation(handle_, 0);
    long long length = n;
    if (status == CUFFT_SUCCESS)
      status = cufft().cufftMakePlanMany64(handle_, 1, &length, nullptr, 1, n, nullptr, 1, n,
                                           dtype == complex64 ? CUFFT_C2C : CUFFT_Z2Z, batch, &work_bytes_);
    if (status == CUFFT_SUCCESS) return;
    cufft().cufftDestroy(handle_);
    fail<Error>("fft: cuFFT cannot plan ", batch, " transforms of length ", n, ": status ", int(status));
  }
  ~Plan() { cufft().cufftDestroy(handle_); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  bool is_for(DType dtype, std::int64_t batch, std::int64_t n) const {
    return dtype == dtype_ && batch == batch_ && n == n_;
  }
  void execute(const void* x, void* y, bool inverse) const {
    const Scratch work(std::int64_t(std::max<std::size_t>(work_bytes_, 1)));
    check_cufft(cufft().cufftSetStream(handle_, runtime().stream_in_use()), "cufftSetStream");
    check_cufft(cufft().cufftSetWorkArea(handle_, work.data()), "cufftSetWorkArea");
    const int direction = inverse ? CUFFT_INVERSE : CUFFT_FORWARD;
    void* const from = const_cast<void*>(x);
    if (dtype_ == complex64)
      check_cufft(cufft().cufftExecC2C(handle_, static_cast<cufftComplex*>(from),
                                       static_cast<cufftComplex*>(y), direction),
                  "cufftExecC2C");
    else
      check_cufft(cufft().cufftExecZ2Z(handle_, static_cast<cufftDoubleComplex*>(from),
                                       static_cast<cufftDoubleComplex*>(y), direction),
                  "cufftExecZ2Z");
  }

 private:
  DType dtype_;
  std::int64_t batch_, n_;
  cufftHandle handle_ = 0;
  std::size_t work_bytes_ = 0;
};

/// The plan for the device in use: the last ones of each thread are kept, the latest in front.
const Plan& plan_for(DType dtype, std::int64_t batch, std::int64_t n) {
  constexpr std::size_t kept = 32;
  thread_local std::vector<std::list<Plan>> plans_of_devices;
  const auto device = std::size_t(runtime().device_in_use());
  if (plans_of_devices.size() <= device) plans_of_devices.resize(device + 1);
  std::list<Plan>& plans = plans_of_devices[device];
  const auto found = std::find_if(plans.begin(), plans.end(),
                                  [&](const Plan& plan) { return plan.is_for(dtype, batch, n); });
  if (found != plans.end()) {
    plans.splice(plans.begin(), plans, found);
  } else {
    plans.emplace_front(dtype, batch, n);
    if (plans.size() > kept) plans.pop_back();
  }
  return plans.front();
}

}  // namespace

void fft(DType dtype, std::int64_t batch, std::int64_t n, const void* x, void* y, bool inverse) {
  if (batch == 0 || n == 0) return;
  if (n == 1) {
    const std::int64_t stride = 1;
    return copy(Shape{batch}, {const_cast<void*>(x), dtype, &stride}, {y, dtype, &stride});
  }
  plan_for(dtype, batch, n).execute(x, y, inverse);
}

}  // namespace taper::cuda
