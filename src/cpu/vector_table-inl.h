// The kernels of a file as a table for each instruction set, and dispatch<index>, which runs one of them by
// this machine's best. Included for each set, behind the functions. The file defines
//   TAPER_VECTOR_KERNELS(X)    X(name, ...) for each kernel
//   TAPER_RUNS(name, ...)      a kernel's Run for each of its types, with a comma behind each
//   TAPER_INDICES(name, ...)   their names, likewise
HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {
namespace {

Run vector_kernel(int index) {
  static constexpr Run runs[] = {TAPER_VECTOR_KERNELS(TAPER_RUNS)};
  return runs[index];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {
namespace {

HWY_EXPORT(vector_kernel);

enum : int { TAPER_VECTOR_KERNELS(TAPER_INDICES) };

template <int index>
void dispatch(const void* const* inputs, const int* steps, void* output, std::int64_t n,
              const void* attributes) {
  static const Run run = HWY_DYNAMIC_DISPATCH(vector_kernel)(index);
  run(inputs, steps, output, n, attributes);
}

}  // namespace
}  // namespace taper::cpu

#undef TAPER_VECTOR_KERNELS
#undef TAPER_RUNS
#undef TAPER_INDICES
#endif  // HWY_ONCE
