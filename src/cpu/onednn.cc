// oneDNN's engine and streams, and reorders between plain layouts.
#include "cpu/onednn.h"

#include "cpu/scratch.h"

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

dnnl::primitive_attr onednn_user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

void onednn_execute(const dnnl::primitive& primitive, std::unordered_map<int, memory> arguments,
                    const memory::desc& scratchpad) {
  Scratch<char> room(scratchpad.get_size());
  arguments[DNNL_ARG_SCRATCHPAD] = memory(scratchpad, onednn_engine(), room.data());
  primitive.execute(onednn_stream(), arguments);
}

namespace {

struct Reorder {
  dnnl::reorder primitive;
  memory::desc from, to, scratchpad;
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
    const dnnl::reorder::primitive_desc description(onednn_engine(), a, onednn_engine(), b,
                                                    onednn_user_scratchpad());
    return Reorder{dnnl::reorder(description), a, b, description.scratchpad_desc()};
  });
  memory source(entry->from, onednn_engine(), const_cast<void*>(from)),
      target(entry->to, onednn_engine(), to);
  onednn_execute(entry->primitive, {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}}, entry->scratchpad);
}

}  // namespace taper::cpu
