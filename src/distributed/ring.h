// A ring all_reduce whose pieces are sent, received and combined side by side.
#pragma once

#include <cstddef>
#include <cstdint>

#include "distributed/transport.h"

namespace taper::distributed {

/// Whether all_reduce_ring can serve a group of so many ranks.
bool can_use_ring(int size);

/// data becomes the combination of all ranks' data, the same bits on all ranks: each rank combines one part,
/// then all parts go around (Patarasuk and Yuan 2009). number must be the same on all ranks, and used once.
void all_reduce_ring(Transport& transport, int rank, int size, void* data, std::size_t count,
                     const Reduction& reduction, std::uint64_t number);

}  // namespace taper::distributed
