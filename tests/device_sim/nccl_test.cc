// Collectives of the stand-in NCCL between processes.
#include <nccl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "findings.h"
#include "programs/device_vector.h"

namespace {

using programs::DeviceVector;

// Runs `program` as each of `size` ranks in a process of its own; true where all returned true.
template <class F>
bool as_ranks(int size, F program) {
  ncclUniqueId id;
  ncclGetUniqueId(&id);
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t child = fork();
    if (child == 0) {
      ncclComm_t comm;
      const bool right = ncclCommInitRank(&comm, size, id, rank) == ncclSuccess && program(comm, rank);
      _exit(right ? 0 : 1);
    }
    children.push_back(child);
  }
  bool all = true;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    all = all && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  return all;
}

using StandInNccl = device_sim_tests::OnDevice;

TEST_F(StandInNccl, Collectives) {
  EXPECT_TRUE(as_ranks(3, [](ncclComm_t comm, int rank) {
    const float r = float(rank);
    DeviceVector<float> x(std::vector<float>{r, r + 1, r + 2}), sum(3), one(1), all(9);
    ncclAllReduce(x.data(), sum.data(), 3, ncclFloat32, ncclSum, comm, nullptr);
    ncclReduceScatter(x.data(), one.data(), 1, ncclFloat32, ncclMax, comm, nullptr);
    ncclAllGather(x.data(), all.data(), 3, ncclFloat32, comm, nullptr);
    ncclBroadcast(x.data(), x.data(), 3, ncclFloat32, 2, comm, nullptr);
    return sum.host() == std::vector<float>{3, 6, 9} && one.host() == std::vector<float>{2 + r} &&
           all.host() == std::vector<float>{0, 1, 2, 1, 2, 3, 2, 3, 4} &&
           x.host() == std::vector<float>{2, 3, 4} && device_sim_tests::findings().empty();
  }));
}

TEST_F(StandInNccl, DifferentCountsAreReported) {
  EXPECT_TRUE(as_ranks(2, [](ncclComm_t comm, int rank) {
    DeviceVector<float> x(std::vector<float>(4, 1.0f));
    ncclAllReduce(x.data(), x.data(), size_t(3 + rank), ncclFloat32, ncclSum, comm, nullptr);
    cudaDeviceSynchronize();
    ncclResult_t error;
    ncclCommGetAsyncError(comm, &error);
    return error == ncclInvalidUsage && device_sim_tests::findings().find("collective:") == 0;
  }));
}

}  // namespace
