// Who and where this process is, as its launcher tells.
#include "distributed/environment.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

std::string text_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

int number_of(const char* variable) {
  const std::string value = text_of(variable);
  if (value.empty()) return -1;
  int number = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  check<DistributedError>(error == std::errc() && end == value.data() + value.size() && number >= 0,
                          "init_process_group: the environment variable ", variable, " is '", value,
                          "', expected a number");
  return number;
}

// A port that all processes of a job compute alike, outside of the range that systems give out by themselves.
int port_for(const std::string& job) { return 20000 + int(fnv1a(job) % 10000); }

// The first host of a list such as "node[03-07,12],other".
std::string first_host(const std::string& list) {
  const std::size_t end = list.find_first_of(",[");
  if (end == std::string::npos || list[end] == ',') return list.substr(0, end);
  const std::size_t stop = list.find_first_of(",-]", end + 1);
  const std::size_t close = list.find(']', end);
  if (stop == std::string::npos || close == std::string::npos) return {};
  const std::size_t rest = list.find(',', close);
  return list.substr(0, end) + list.substr(end + 1, stop - end - 1) +
         list.substr(close + 1, rest == std::string::npos ? rest : rest - close - 1);
}

Launch of_torchrun() {
  Launch launch{"torchrun",
                number_of("RANK"),
                number_of("WORLD_SIZE"),
                number_of("LOCAL_RANK"),
                number_of("LOCAL_WORLD_SIZE"),
                {},
                -1,
                {}};
  launch.job = text_of("TORCHELASTIC_RUN_ID");
  const std::string restarts = text_of("TORCHELASTIC_RESTART_COUNT");
  if (!restarts.empty()) launch.job += "/" + restarts;
  return launch;
}

// How often a job was started again, as its name says, and the name without that.
std::pair<int, std::string> restarts_of(const std::string& job) {
  const std::size_t slash = job.rfind('/');
  int restarts = -1;
  if (slash == std::string::npos) return {restarts, job};
  const char* const end = job.data() + job.size();
  if (std::from_chars(job.data() + slash + 1, end, restarts).ptr != end) restarts = -1;
  return {restarts, job.substr(0, slash)};
}

Launch of_open_mpi() {
  Launch launch{"mpirun",
                number_of("OMPI_COMM_WORLD_RANK"),
                number_of("OMPI_COMM_WORLD_SIZE"),
                number_of("OMPI_COMM_WORLD_LOCAL_RANK"),
                number_of("OMPI_COMM_WORLD_LOCAL_SIZE"),
                {},
                -1,
                {}};
  for (const char* variable : {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_ess_jobid"})
    if (launch.job.empty()) launch.job = text_of(variable);
  if (launch.local_world_size == launch.world_size) launch.address = "127.0.0.1";
  return launch;
}

Launch of_slurm() {
  Launch launch{
      "srun", number_of("SLURM_PROCID"), number_of("SLURM_NTASKS"), number_of("SLURM_LOCALID"), -1, {}, -1,
      {}};
  if (launch.world_size < 0) launch.world_size = number_of("SLURM_NPROCS");
  launch.job = text_of("SLURM_JOB_ID") + "." + text_of("SLURM_STEP_ID");
  std::string nodes = text_of("SLURM_STEP_NODELIST");
  if (nodes.empty()) nodes = text_of("SLURM_JOB_NODELIST");
  launch.address = first_host(nodes);
  return launch;
}

}  // namespace

bool is_restart_of(const std::string& job, const std::string& earlier) {
  const auto [now, name] = restarts_of(job);
  const auto [before, its_name] = restarts_of(earlier);
  return name == its_name && before >= 0 && now > before;
}

Launch read_environment() {
  Launch launch;
  const auto is_set = [](const char* a, const char* b) { return std::getenv(a) && std::getenv(b); };
  if (is_set("RANK", "WORLD_SIZE")) launch = of_torchrun();
  else if (is_set("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")) launch = of_open_mpi();
  else if (is_set("SLURM_PROCID", "SLURM_NTASKS")) launch = of_slurm();
  else {
    launch.rank = number_of("RANK");
    launch.world_size = number_of("WORLD_SIZE");
  }
  if (const std::string address = text_of("MASTER_ADDR"); !address.empty()) launch.address = address;
  launch.port = number_of("MASTER_PORT");
  // torchrun's own store listens on MASTER_PORT.
  if (launch.port >= 0 && text_of("TORCHELASTIC_USE_AGENT_STORE") == "True") launch.port += 1;
  if (const int port = number_of("TAPER_MASTER_PORT"); port >= 0) launch.port = port;
  if (launch.port < 0 && !launch.job.empty()) launch.port = port_for(launch.job);
  return launch;
}

}  // namespace taper::distributed
