// What is to be done when the backward pass of this thread has ended.
#pragma once

#include <functional>

namespace taper {

/// Calls the function once, after the last gradient of the backward pass that runs in this thread; where that
/// pass throws, not at all. Throws AutogradError outside of a backward pass.
void queue_callback(std::function<void()> callback);

/// Whether a backward pass runs in this thread.
bool in_backward();

}  // namespace taper
