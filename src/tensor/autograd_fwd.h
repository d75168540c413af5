// What the tensor floor asks of the autograd floor: to free what a record holds of it.
#pragma once

namespace taper {

class Node;
struct GradientSlots;

/// Drops one reference; frees the graph behind it without recursion.
void release_node(Node* node) noexcept;
void release_slots(GradientSlots* slots) noexcept;

}  // namespace taper
