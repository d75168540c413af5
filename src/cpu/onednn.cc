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

}  // namespace taper::cpu
