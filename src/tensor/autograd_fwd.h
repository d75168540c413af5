// What the tensor floor asks of the autograd floor: the modes tensors are made in, and to free what a record
// holds.
#pragma once

namespace taper {

/// Modes of the calling thread that the per-operation path looks at.
struct ThreadModes {
  bool grad_enabled = true;
  bool inference = false;
};
extern thread_local ThreadModes thread_modes __attribute__((tls_model("initial-exec")));

class Node;
struct GradientSlots;

/// Drops one reference; frees the graph behind it without recursion.
void release_node(Node* node) noexcept;
void release_slots(GradientSlots* slots) noexcept;

}  // namespace taper
