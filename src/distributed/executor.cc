// Runs the collectives of one group in the order of the calls, in a thread of its own or in the one that
// waits.
#include "distributed/executor.h"

#include <utility>

#include "distributed/socket.h"
#include "taper/autograd.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {
thread_local bool runs_in_wait = false;
}  // namespace

RunsInWait::RunsInWait() : before_(std::exchange(runs_in_wait, true)) {}
RunsInWait::~RunsInWait() { runs_in_wait = before_; }
bool RunsInWait::active() { return runs_in_wait; }

void Work::Shared::finish(std::exception_ptr failure) {
  const std::lock_guard guard(lock);
  exception = std::move(failure);
  done = true;
  changed.notify_all();
}

std::shared_ptr<Executor> Executor::start() {
  auto executor = std::make_shared<Executor>();
  executor->thread_ = std::thread([raw = executor.get()] { raw->loop(); });
  return executor;
}

Executor::~Executor() { stop("the group was destroyed"); }

void Executor::stop(const std::string& reason) {
  std::unique_lock lock(lock_);
  stop_ = true;
  std::deque<Job> left = std::exchange(queue_, {});
  std::thread thread = std::move(thread_);
  changed_.notify_all();
  lock.unlock();
  for (const Job& job : left) job.shared->finish(std::make_exception_ptr(DistributedError(reason)));
  left.clear();
  if (thread.joinable()) thread.join();
  // Another thread may run one, which uses what the caller takes down.
  lock.lock();
  changed_.wait(lock, [this] { return !running_; });
}

std::shared_ptr<Work::Shared> Executor::add(std::function<void()> job, Tensors result, std::string what) {
  auto shared = std::make_shared<Work::Shared>();
  shared->result = std::move(result);
  shared->what = std::move(what);
  shared->executor = weak_from_this();
  const std::lock_guard lock(lock_);
  check<DistributedError>(!stop_, "distributed: the group was destroyed");
  const bool deferred = RunsInWait::active();
  queue_.push_back({std::move(job), shared, deferred});
  if (!deferred) changed_.notify_all();
  return shared;
}

void Executor::run_next(std::unique_lock<std::mutex>& lock, bool in_wait) {
  Job job = std::move(queue_.front());
  queue_.pop_front();
  running_ = true;
  lock.unlock();
  std::exception_ptr failure;
  try {
    const NoGrad no_grad;
    job.run();
  } catch (...) {
    failure = std::current_exception();
  }
  job.run = nullptr;
  job.shared->finish(std::move(failure));
  job.shared.reset();
  lock.lock();
  running_ = false;
  if (!queue_.empty() || helpers_ > (in_wait ? 1 : 0) || stop_) changed_.notify_all();
}

void Executor::loop() {
  std::unique_lock lock(lock_);
  while (!stop_) {
    if (!running_ && !queue_.empty() && !queue_.front().deferred) run_next(lock, false);
    else changed_.wait(lock);
  }
}

void Executor::release() {
  const std::lock_guard lock(lock_);
  for (Job& job : queue_) job.deferred = false;
  changed_.notify_all();
}

void Executor::help(const std::function<bool()>& done) {
  std::unique_lock lock(lock_);
  ++helpers_;
  while (!done() && !(stop_ && !running_)) {
    if (!running_ && !queue_.empty()) run_next(lock, true);
    else changed_.wait(lock);
  }
  --helpers_;
}

void Work::wait() const {
  const auto is_done = [this] {
    const std::lock_guard guard(shared_->lock);
    return shared_->done;
  };
  if (const auto executor = shared_->executor.lock()) executor->help(is_done);
  std::unique_lock lock(shared_->lock);
  shared_->changed.wait(lock, [this] { return shared_->done; });
  if (shared_->exception) std::rethrow_exception(shared_->exception);
  if (shared_->on_device) cuda::current_stream(shared_->device).wait(*shared_->on_device);
}

bool Work::wait_for(std::chrono::milliseconds time) const {
  if (const auto executor = shared_->executor.lock()) executor->release();
  std::unique_lock lock(shared_->lock);
  if (!shared_->changed.wait_until(lock, after(time), [this] { return shared_->done; })) return false;
  if (shared_->exception) std::rethrow_exception(shared_->exception);
  if (shared_->on_device) cuda::current_stream(shared_->device).wait(*shared_->on_device);
  return true;
}

bool Work::is_completed() const {
  const std::lock_guard guard(shared_->lock);
  return shared_->done && (!shared_->on_device || shared_->exception || shared_->on_device->query());
}

std::exception_ptr Work::exception() const {
  const std::lock_guard guard(shared_->lock);
  return shared_->exception;
}

int Work::source_rank() const {
  const std::lock_guard guard(shared_->lock);
  return shared_->source;
}

const std::string& Work::what() const { return shared_->what; }

const Tensors& Work::result() const { return shared_->result; }

}  // namespace taper::distributed
