// The job of this process: rendezvous, the default group, further groups, and the end.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <sstream>

#include "distributed/environment.h"
#include "distributed/group.h"
#include "distributed/lonely_transport.h"
#include "distributed/secret.h"
#include "distributed/server.h"
#include "distributed/transport_library.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

// How long a process that is done stays for those that are not.
constexpr Milliseconds linger{5000};
// How often one that waits for others looks whether they left.
constexpr Milliseconds look_around{200};

// All that one init_process_group() made.
struct Job {
  std::unique_ptr<Server> server;
  std::shared_ptr<Client> client;
  std::string address, file;
  Milliseconds timeout{0};
  Group default_group;
  /// Until they are destroyed: a rank that drops its Group has not left it.
  std::vector<Group> groups;
  /// The states of living groups, for news of other ranks.
  std::set<ProcessGroup::State*> states;
  std::mutex states_lock;
  std::uint64_t made = 0;
  /// Of groups that only their members make, by their ranks.
  std::map<std::vector<int>, std::uint64_t> made_by_members;
  pid_t process = ::getpid();
};

std::mutex& job_lock() {
  static auto* lock = new std::mutex;
  return *lock;
}
// Never destroyed by the runtime: threads may still use it when the process exits.
std::shared_ptr<Job>& job_slot() {
  static auto* slot = new std::shared_ptr<Job>;
  return *slot;
}

// Those of separate_group().
std::vector<std::shared_ptr<Job>>& separate_jobs() {
  static auto* jobs = new std::vector<std::shared_ptr<Job>>;
  return *jobs;
}

std::shared_ptr<Job> current_job() {
  const std::lock_guard lock(job_lock());
  const auto& job = job_slot();
  check<ValueError>(job != nullptr,
                    "Default process group has not been initialized; call init_process_group() first");
  check<DistributedError>(
      job->process == ::getpid(),
      "distributed: a forked process is no member of its parent's group; start processes with "
      "taper.distributed.run or the spawn method");
  return job;
}

Milliseconds silence_allowed() {
  const char* given = std::getenv("TAPER_HEARTBEAT_TIMEOUT");
  if (!given || !*given) return Milliseconds(4000);
  const double seconds = std::strtod(given, nullptr);
  check<DistributedError>(seconds >= 2, "init_process_group: TAPER_HEARTBEAT_TIMEOUT is '", given,
                          "', expected seconds, 2 or more");
  // A heartbeat and a look at it take up to a second.
  return Milliseconds(std::int64_t(seconds * 1000) - 1000);
}

// Where the ranks meet.
struct Meeting {
  int rank = -1, world_size = -1;
  std::string host, file, job;
  int port = -1;
};

int port_in(const std::string& text, const std::string& method) {
  int port = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  check<ValueError>(error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536,
                    "init_process_group: '", method, "' has no port; expected tcp://host:port");
  return port;
}

// Cuts "?rank=0&world_size=2" off.
void read_query(std::string& location, Meeting& meeting) {
  const std::size_t mark = location.find('?');
  if (mark == std::string::npos) return;
  std::istringstream parts(location.substr(mark + 1));
  for (std::string part; std::getline(parts, part, '&');) {
    if (part.starts_with("rank=")) meeting.rank = std::atoi(part.c_str() + 5);
    if (part.starts_with("world_size=")) meeting.world_size = std::atoi(part.c_str() + 11);
  }
  location.erase(mark);
}

Meeting meeting_of(const InitOptions& options) {
  const std::string& method = options.init_method;
  Meeting meeting;
  if (method == "env://" || method.starts_with("env://?") || method.empty()) {
    const Launch launch = read_environment();
    meeting = {launch.rank, launch.world_size, launch.address, {}, launch.job, launch.port};
  } else if (method.starts_with("tcp://")) {
    std::string location = method.substr(6);
    read_query(location, meeting);
    const std::size_t colon = location.rfind(':');
    check<ValueError>(colon != std::string::npos, "init_process_group: '", method,
                      "' has no port; expected tcp://host:port");
    meeting.host = location.substr(0, colon);
    meeting.port = port_in(location.substr(colon + 1), method);
  } else if (method.starts_with("file://")) {
    std::string location = method.substr(7);
    read_query(location, meeting);
    meeting.file = location;
    check<ValueError>(meeting.file.starts_with('/'), "init_process_group: '", method,
                      "' needs an absolute path, file:///path");
  } else {
    fail<ValueError>("init_process_group: unknown init_method '", method,
                     "'; expected env://, tcp://host:port or file:///path");
  }
  // IPv6, as in a URL.
  if (meeting.host.starts_with('[') && meeting.host.ends_with(']'))
    meeting.host = meeting.host.substr(1, meeting.host.size() - 2);
  if (options.rank >= 0) meeting.rank = options.rank;
  if (options.world_size >= 0) meeting.world_size = options.world_size;
  check<ValueError>(
      meeting.rank >= 0 && meeting.world_size >= 0,
      "init_process_group: rank and world size are unknown: "
      "the environment has neither RANK and WORLD_SIZE nor the variables of Open MPI or Slurm; start with "
      "python -m taper.distributed.run, or give rank= and world_size=");
  check<ValueError>(meeting.world_size >= 1 && meeting.rank < meeting.world_size, "init_process_group: rank ",
                    meeting.rank, " is outside of a world of ", meeting.world_size, " ranks");
  check<ValueError>(
      !meeting.file.empty() || (!meeting.host.empty() && meeting.port >= 0),
      "init_process_group: MASTER_ADDR and MASTER_PORT are not set; they say where rank 0 listens");
  check<ValueError>(!meeting.file.empty() || (meeting.port > 0 && meeting.port < 65536),
                    "init_process_group: MASTER_PORT is ", meeting.port, ", expected 1 to 65535");
  return meeting;
}

// The file of file://: where the server is, and what job it serves. It appears whole and only its owner can
// read it.
void publish(const std::string& path, const std::string& host, int port, const std::string& job) {
  const std::string draft = path + "." + to_hex(random_bytes(8));
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const std::string text = concat("taper\n", host, "\n", port, "\n", job, "\n");
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == ssize_t(text.size());
  if (file >= 0) ::close(file);
  if (!written || ::rename(draft.c_str(), path.c_str()) != 0) {
    ::unlink(draft.c_str());
    fail<DistributedError>("init_process_group: cannot write ", path, ": ", std::strerror(errno));
  }
}

bool locate(const std::string& path, ClientOptions& options) {
  std::ifstream file(path);
  std::string first, port;
  if (!std::getline(file, first) || first != "taper" || !std::getline(file, options.host) ||
      !std::getline(file, port) || !std::getline(file, options.job))
    return false;
  options.port = std::atoi(port.c_str());
  return options.port > 0;
}

void start_server(Job& job, const Meeting& meeting, ClientOptions& options) {
  const char* bind = std::getenv("TAPER_BIND_ADDRESS");
  const std::string host = bind && *bind ? bind : meeting.file.empty() ? meeting.host : "127.0.0.1";
  Socket listener = listen_on(host, meeting.file.empty() ? meeting.port : 0);
  options.host = host;
  options.port = port_of(listener);
  if (!meeting.file.empty()) options.job = to_hex(random_bytes(16));
  job.server = std::make_unique<Server>(
      std::move(listener), ServerOptions{options.secret, options.job, meeting.world_size, options.silence});
  if (!meeting.file.empty()) {
    publish(meeting.file, options.host, options.port, options.job);
    job.file = meeting.file;
  }
}

// News from other ranks go to all groups.
void watch(const std::shared_ptr<Job>& job) {
  const std::weak_ptr<Job> weak = job;
  const auto for_states = [weak](auto f) {
    const auto job = weak.lock();
    if (!job) return;
    const std::lock_guard lock(job->states_lock);
    for (ProcessGroup::State* state : job->states) f(*state);
  };
  job->client->on_farewell([for_states](int rank, const Status& status) {
    for_states([&](auto& state) { state.farewell(rank, status); });
  });
  job->client->on_group_failure([for_states](const std::string& group, const std::string& reason) {
    for_states([&](auto& state) {
      if (state.name == group) state.break_off(reason);
    });
  });
  job->client->on_heartbeat([for_states] { for_states([](auto& state) { state.look_for_orphans(); }); });
  job->client->on_failure(
      [for_states](const std::string& reason) { for_states([&](auto& state) { state.break_off(reason); }); });
}

// Waits until all ranks have come to this stage of making a group. A rank that went on while another still
// connects, and left, would seem lost to that one.
void meet(Client& client, const std::string& prefix, const std::vector<int>& ranks, Milliseconds timeout) {
  std::vector<std::string> keys;
  for (const int rank : ranks) keys.push_back(prefix + std::to_string(rank));
  client.set(prefix + std::to_string(client.rank()), "here");
  const Deadline deadline = after(timeout);
  while (!client.try_wait(keys, std::min(timeout, look_around))) {
    const auto departed = client.departed();
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      const bool left = departed.contains(ranks[i]);
      if ((!left && Clock::now() < deadline) || client.check({keys[i]})) continue;
      fail<DistributedError>("rank ", ranks[i], left ? " has left the job" : " did not call it within ",
                             left ? "" : concat(double(timeout.count()) / 1000.0, " s"));
    }
  }
}

std::unique_ptr<Transport> connect(Job& job, const std::string& name, const std::vector<int>& ranks, int rank,
                                   Milliseconds timeout) {
  const std::string prefix = "group/" + name + "/";
  Client& client = *job.client;
  const auto check_presence = [&] {
    const std::string failure = client.failure();
    check<DistributedError>(failure.empty(), failure);
    const auto departed = client.departed();
    for (const int other : ranks)
      check<DistributedError>(!departed.contains(other), "rank ", other, " has left the job");
  };
  const Exchange exchange{
      [&](const std::string& key, const std::string& value) { client.set(prefix + key, value); },
      [&](const std::string& key) { return client.get(prefix + key); },
      [&](const std::string& text) { return proof(client.options().secret, prefix + text); }, check_presence};
  const std::string call = name == "default" ? "init_process_group" : "new_group";
  bool called = false;
  try {
    meet(client, prefix + "called/", ranks, timeout);
    called = true;
    auto transport = connect_transport(rank, int(ranks.size()), job.address, exchange, timeout);
    meet(client, prefix + "connected/", ranks, timeout);
    return transport;
  } catch (const std::exception& error) {
    const std::string reason = client.failure(Milliseconds(500));
    // The others wait for this rank's connections.
    if (called && reason.empty())
      client.report_failure(concat("rank ", client.rank(), " gave up in ", call, ": ", error.what()));
    fail<DistributedError>(call, ": rank ", client.rank(), " cannot connect with the other ranks of group '",
                           name, "': ", reason.empty() ? error.what() : reason);
  }
}

Group make_group(const std::shared_ptr<Job>& job, const std::string& name, const std::vector<int>& ranks,
                 Milliseconds timeout) {
  const auto own = std::find(ranks.begin(), ranks.end(), job->client->rank());
  if (own == ranks.end()) return nullptr;
  const int rank = int(own - ranks.begin());
  std::unique_ptr<Transport> transport;
  if (ranks.size() == 1) transport = std::make_unique<LonelyTransport>();
  else transport = connect(*job, name, ranks, rank, timeout);
  auto state =
      std::make_unique<ProcessGroup::State>(name, rank, ranks, job->client, std::move(transport), timeout);
  ProcessGroup::State* raw = state.get();
  // Leaves the list before the state is gone.
  Group group(new ProcessGroup(std::move(state)), [job = std::weak_ptr(job), raw](ProcessGroup* dead) {
    if (const auto alive = job.lock()) {
      const std::lock_guard lock(alive->states_lock);
      alive->states.erase(raw);
    }
    delete dead;
  });
  std::unique_lock lock(job->states_lock);
  job->states.insert(raw);
  job->groups.push_back(group);
  lock.unlock();
  for (const auto& [departed, status] : job->client->departed()) raw->farewell(departed, status);
  return group;
}

std::shared_ptr<Job> start_job(const InitOptions& options) {
  transport_library();  // where there is none, nobody could be met
  check<ValueError>(options.timeout.count() > 0, "init_process_group: timeout must be positive");
  const Meeting meeting = meeting_of(options);
  auto job = std::make_shared<Job>();
  job->timeout = options.timeout;
  ClientOptions client{meeting.host, meeting.port, meeting.rank,    meeting.world_size, job_secret(),
                       meeting.job,  {},           options.timeout, silence_allowed()};
  if (meeting.rank == 0) start_server(*job, meeting, client);
  else if (!meeting.file.empty())
    client.locate = [path = meeting.file](ClientOptions& options) { return locate(path, options); };
  job->client = std::make_shared<Client>(std::move(client));
  job->address = job->client->local_address();
  job->client->join();
  std::vector<int> ranks(std::size_t(meeting.world_size));
  std::iota(ranks.begin(), ranks.end(), 0);
  job->default_group = make_group(job, "default", ranks, options.timeout);
  watch(job);
  return job;
}

void end_job(std::shared_ptr<Job> job) {
  if (job->process != ::getpid()) {
    new std::shared_ptr<Job>(std::move(job));  // its threads live in the parent
    return;
  }
  try {
    if (job->client->failure().empty()) job->client->leave(linger);
  } catch (const Error&) {
    // The others are gone, which is no matter any more.
  }
  for (const Group& group : std::exchange(job->groups, {})) group->shut_down();
  job->default_group = nullptr;
  job->client = nullptr;
  job->server = nullptr;
  if (!job->file.empty()) ::unlink(job->file.c_str());
}

}  // namespace

bool is_available() { return has_transport(); }

bool is_initialized() {
  const std::lock_guard lock(job_lock());
  return job_slot() != nullptr && job_slot()->process == ::getpid();
}

void init_process_group(const InitOptions& options) {
  check<ValueError>(!is_initialized(),
                    "trying to initialize the default process group twice; call destroy_process_group() "
                    "first");
  auto job = start_job(options);
  const std::lock_guard lock(job_lock());
  job_slot() = std::move(job);
}

Group separate_group(const InitOptions& options) {
  auto job = start_job(options);
  const Group group = job->default_group;
  const std::lock_guard lock(job_lock());
  separate_jobs().push_back(std::move(job));
  return group;
}

void destroy_process_group() {
  std::unique_lock lock(job_lock());
  std::shared_ptr<Job> job = std::move(job_slot());
  job_slot() = nullptr;
  const auto others = std::exchange(separate_jobs(), {});
  lock.unlock();
  check<DistributedError>(job != nullptr || !others.empty(),
                          "destroy_process_group: there is no process group");
  for (const auto& other : others) end_job(other);
  if (job) end_job(std::move(job));
}

void destroy_process_group(const Group& group) {
  std::unique_lock lock(job_lock());
  std::shared_ptr<Job> job = job_slot();
  const auto own = std::ranges::find(separate_jobs(), group, &Job::default_group);
  if (own != separate_jobs().end()) {
    job = *own;
    separate_jobs().erase(own);
    lock.unlock();
    return end_job(std::move(job));
  }
  lock.unlock();
  try {
    if (job) job->client->set(destroyed_key(group->name(), job->client->rank()), "");
  } catch (const Error&) {
    // The job is over, so nobody asks.
  }
  group->shut_down();
  if (!job) return;
  const std::lock_guard states_lock(job->states_lock);
  std::erase(job->groups, group);
}

std::vector<Group> living_groups() {
  std::unique_lock lock(job_lock());
  std::vector<std::shared_ptr<Job>> jobs = separate_jobs();
  if (job_slot()) jobs.insert(jobs.begin(), job_slot());
  lock.unlock();
  std::vector<Group> groups;
  for (const auto& job : jobs) {
    const std::lock_guard states_lock(job->states_lock);
    groups.insert(groups.end(), job->groups.begin(), job->groups.end());
  }
  return groups;
}

void abort_process_group(const std::string& reason) {
  const auto job = current_job();
  job->client->report_failure(concat("rank ", job->client->rank(), " gave up: ", reason));
}

Group default_group() { return current_job()->default_group; }

Group new_group(const std::vector<int>& ranks, std::optional<std::chrono::milliseconds> timeout,
                bool by_members) {
  const auto job = current_job();
  std::vector<int> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  const int world = job->client->world_size();
  for (const int rank : sorted)
    check<ValueError>(rank >= 0 && rank < world, "new_group: Rank ", rank,
                      " is out of range, expected ranks from 0 to ", world - 1);
  check<ValueError>(!sorted.empty() && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(),
                    "new_group: expected ranks that are distinct, at least one");
  std::string name = "group ";
  if (!by_members) name += std::to_string(++job->made);
  else {
    // Who makes other groups without the rest counts otherwise.
    for (const int rank : sorted) name += concat("of ", rank, " ");
    name += std::to_string(++job->made_by_members[sorted]);
  }
  return make_group(job, name, sorted, timeout.value_or(job->timeout));
}

std::shared_ptr<Store> default_store() { return current_job()->client; }

}  // namespace taper::distributed
