// The threads of the CPU kernels: one pool, and the loop that runs on it.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace taper::cpu {

/// Threads that parallel_for may use, the caller among them. At first the least of: processors this process
/// may use (affinity, control group), OMP_NUM_THREADS, TAPER_NUM_THREADS.
int num_threads();

/// Sets num_threads() for the whole process, and OpenMP's for the calling thread. Throws ValueError unless
/// count >= 1.
void set_num_threads(int count);

/// Whether the caller is inside the body of a parallel_for, where another one runs serially.
bool in_parallel_region();

/// A reference to a callable that outlives it; two words.
template <class Signature>
class FunctionRef;

template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> Result {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  Result operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  Result (*call_)(void*, Args...);
};

namespace detail {
void parallel_chunks(std::int64_t count, std::int64_t grain,
                     FunctionRef<void(std::int64_t, std::int64_t)> body);
}

/// Calls body(begin, end) for [0, grain), [grain, 2 grain), ... up to count: always these chunks, whatever
/// the number of threads, so a result that depends on chunks only is the same for all. Threads take chunks as
/// they become free. Serial if there is one chunk or one thread, inside another parallel_for, or while
/// another thread uses the pool. The first exception a body throws stops the loop and reaches the caller.
/// grain < 1 counts as 1.
template <class F>
inline void parallel_for(std::int64_t count, std::int64_t grain, F&& body) {
  if (count <= grain) {
    if (count > 0) body(std::int64_t(0), count);
  } else {
    detail::parallel_chunks(count, grain, body);
  }
}

/// Sets how many threads OpenMP libraries (oneDNN, OpenBLAS) use when the calling thread calls them, while it
/// lives. In a forked child it stays 1, since the threads of OpenMP's pool do not exist there.
class OpenMpThreads {
 public:
  explicit OpenMpThreads(int count);
  ~OpenMpThreads();
  OpenMpThreads(const OpenMpThreads&) = delete;
  OpenMpThreads& operator=(const OpenMpThreads&) = delete;

 private:
  int before_;
};

}  // namespace taper::cpu
