// Runs the collectives of one group in the order of the calls, in a thread of its own or in the one that
// waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "taper/cuda.h"
#include "taper/distributed.h"

namespace taper::distributed {

class Executor;

/// What a Work refers to.
struct Work::Shared {
  std::mutex lock;
  std::condition_variable changed;
  bool done = false;
  std::exception_ptr exception;
  Tensors result;
  /// Written before others see it.
  std::string what;
  int source = -1;
  /// A collective on a device is done for the host when it is queued, and for the device after this event.
  std::shared_ptr<cuda::Event> on_device;
  int device = -1;
  /// Where a waiting thread helps; empty for transfers between two ranks.
  std::weak_ptr<Executor> executor;

  void finish(std::exception_ptr failure);
};

class Executor : public std::enable_shared_from_this<Executor> {
 public:
  static std::shared_ptr<Executor> start();
  ~Executor();
  /// what: for Work::what().
  std::shared_ptr<Work::Shared> add(std::function<void()> job, Tensors result, std::string what);
  /// Runs what is queued until done() holds, unless the thread is at it already.
  void help(const std::function<bool()>& done);
  /// Leaves nothing that is queued to those who wait.
  void release();
  /// Waits for the job that runs, in whatever thread; those that have not begun fail with this reason.
  void stop(const std::string& reason);

 private:
  struct Job {
    std::function<void()> run;
    std::shared_ptr<Work::Shared> shared;
    /// Left to whoever waits for it; those behind it wait, too.
    bool deferred = false;
  };
  void loop();
  /// in_wait: the caller is a helper; other threads are told only where they have something to do.
  void run_next(std::unique_lock<std::mutex>& lock, bool in_wait);

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Job> queue_;
  bool running_ = false, stop_ = false;
  int helpers_ = 0;
  std::thread thread_;
};

}  // namespace taper::distributed
