// Launches of the kernels with planted faults, on the default stream.
#pragma once

namespace programs {

enum Fault {
  no_fault,
  // of kernels
  bound_too_large,
  vector_load_misaligned,
  rest_starts_late,
  wrong_operand_stride,
  no_barrier_before_reuse,
  no_barrier_before_reading,
  reads_too_many_partials,
  shuffle_in_divergent_branch,
  early_return,
  divides_by_maximum,
  tile_pitch_too_small,
  no_barrier_after_tile,
  no_column_bound,
  swapped_strides,
  wrong_row_stride,
  not_atomic,
  missing_memset,
  no_fence,
  ticket_not_atomic,
  no_warp_synchronization,
  shuffle_from_inactive_lane,
  no_wait_for_copy,
  no_barrier_before_next_copy,
  too_little_shared_memory,
  lock_never_released,
  no_grid_barrier,
  // of host programs
  no_event_wait,
  no_synchronization,
  staging_reused,
  block_reused_by_other_stream,
  freed_on_other_stream,
  freed_too_early,
  freed_twice,
  host_pointer_to_kernel,
  leading_dimensions_swapped,
  product_on_other_stream,
  bias_forgotten,
  capture_not_joined,
  graph_without_edge,
  destroyed_stream_used,
  memory_leaked
};

void launch_add_rows(int fault, float* y, const float* x, const float* b, int rows, int columns);
void launch_softmax(int fault, float* y, const float* x, int rows, int columns);
void launch_transpose(int fault, float* y, const float* x, int rows, int columns);
void launch_add_to_rows(int fault, float* table, const float* dy, const int* index, int n, int width);
void launch_sum(int fault, float* sum, float* partials, unsigned* arrived, const float* x, int n);
void launch_reverse_in_warp(int fault, float* y, const float* x);
void launch_reverse_by_shuffle(int fault, float* y, const float* x);
void launch_double_by_tiles(int fault, float* y, const float* x, int tiles);
void launch_reverse_in_block(int fault, float* y, const float* x, int n);
void launch_count_under_lock(int fault, int* count, int* lock);
void launch_neighbours(int fault, float* y, float* scratch, const float* x, int n);

}  // namespace programs
