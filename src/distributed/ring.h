// A ring all_reduce for tensors of middle size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "distributed/transport.h"

namespace taper::distributed {

/// Whether all_reduce_ring is faster than the transport's own for so many bytes.
bool prefers_ring(std::size_t bytes, int size);

/// data becomes the combination of all ranks' data, the same bits on all ranks: each rank sums one part, then
/// all parts go around (Patarasuk and Yuan 2009). number must be the same on all ranks, and used once.
void all_reduce_ring(Transport& transport, int rank, int size, void* data, std::size_t count,
                     std::size_t item_size, Combine combine, std::uint64_t number);

}  // namespace taper::distributed
