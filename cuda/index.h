// Reading and writing at positions given by numbers, and embedding, on a device: as in cpu/index.h and
// cpu/embedding.h. An index out of range reads or writes nothing (reads give 0) and is reported when the host
// next waits for the device. Where several values meet one element, sums are made in no fixed order, and of
// values set any one stays; with deterministic_algorithms sums are in the order of positions, and the last
// value stays.
#pragma once

#include "cpu/embedding.h"
#include "cpu/index.h"

namespace taper::cuda {

void gather(const cpu::Source& x, DType dtype, int dim, const cpu::Indices& index, void* y);
void scatter(const cpu::Target& y, DType dtype, int dim, const cpu::Indices& index, const cpu::Source& x,
             cpu::Combine combine, bool include_self, const char* op);
void index_select(const cpu::Source& x, DType dtype, int dim, const cpu::Indices& index, void* y);
void index_add(const cpu::Target& y, DType dtype, int dim, const cpu::Indices& index, const cpu::Source& x,
               const Scalar& alpha);
void index(const void* x, DType dtype, const cpu::AdvancedIndex& plan, void* y, const char* op);
void index_put(void* x, DType dtype, const cpu::AdvancedIndex& plan, const void* values, bool accumulate,
               const char* op);
void embedding(const cpu::Embedding& embedding, const void* weight, const std::int64_t* indices, void* y);

}  // namespace taper::cuda
