// Who and where this process is, as its launcher tells.
#pragma once

#include <string>

namespace taper::distributed {

/// What launchers put into the environment. -1 or empty: not said.
struct Launch {
  std::string launcher;
  int rank = -1, world_size = -1, local_rank = -1, local_world_size = -1;
  std::string address;
  int port = -1;
  /// Tells this start of the job from others: restarted processes differ.
  std::string job;
};

/// Whether job is what a launcher calls earlier after starting it again.
bool is_restart_of(const std::string& job, const std::string& earlier);

/// torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), else Open MPI's
/// (OMPI_COMM_WORLD_*), else Slurm's (SLURM_PROCID, ...). MASTER_ADDR and MASTER_PORT always count where they
/// are set. Throws DistributedError for numbers that are none.
Launch read_environment();

}  // namespace taper::distributed
