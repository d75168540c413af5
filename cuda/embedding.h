// Gradients of embeddings, and sums of rows, on a device: as in cpu/embedding.h. Gradients are sums in no
// fixed order. An index out of range, or an offset that is not as it must be, takes no part and is reported
// when the host next waits for the device.
#pragma once

#include "cpu/embedding.h"

namespace taper::cuda {

void embedding_backward(const cpu::Embedding& embedding, const void* dy, const std::int64_t* indices,
                        void* dw);
void embedding_bag(const cpu::Bags& bags, const void* weight, void* y, std::int64_t* maxima);
void embedding_bag_backward(const cpu::Bags& bags, const void* dy, const std::int64_t* maxima, void* dw);
void embedding_bag_backward_samples(const cpu::Bags& bags, const void* weight, const void* dy,
                                    void* dsample_weights);

}  // namespace taper::cuda
