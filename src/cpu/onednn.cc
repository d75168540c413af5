// oneDNN's engine and streams, and reorders between plain layouts.
#include "cpu/onednn.h"

namespace taper::cpu {

using dnnl::memory;

dnnl::engine& onednn_engine() {
  // Never destroyed: threads may still hold streams when the process ends.
  static auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

dnnl::stream& onednn_stream() {
  thread_local dnnl::stream stream(onednn_engine());
  return stream;
}

namespace {

struct Reorder {
  dnnl::reorder primitive;
  memory::desc from, to;
};

PrimitiveKey key_of(const Layout& from, const Layout& to) {
  PrimitiveKey key{int(from.type), int(to.type)};
  for (const auto* dims : {&from.sizes, &from.strides, &to.strides})
    key.insert(key.end(), dims->begin(), dims->end());
  return key;
}

}  // namespace

void onednn_reorder(const Layout& from_layout, const void* from, const Layout& to_layout, void* to) {
  static auto* cache = new PrimitiveCache<Reorder>;
  const auto entry = cache->get(key_of(from_layout, to_layout), [&] {
    const memory::desc a(from_layout.sizes, from_layout.type, from_layout.strides);
    const memory::desc b(to_layout.sizes, to_layout.type, to_layout.strides);
    return Reorder{dnnl::reorder({onednn_engine(), a, onednn_engine(), b}), a, b};
  });
  memory source(entry->from, onednn_engine(), const_cast<void*>(from)),
      target(entry->to, onednn_engine(), to);
  dnnl::reorder(entry->primitive).execute(onednn_stream(), source, target);
}

}  // namespace taper::cpu
