// What a profile learns of the backward pass.
#pragma once

namespace taper {

/// Called before (begin) and after each operation of every backward pass, on its thread.
using NodeWatch = void (*)(const char* name, bool begin);

/// Sets, or with null takes away, what is called.
void set_node_watch(NodeWatch watch);

}  // namespace taper
