// A default generator of one thread's own.
#pragma once

#include "taper/generator.h"

namespace taper {

/// While it lives, the default generator of this thread is another one.
class ThreadGenerator {
 public:
  explicit ThreadGenerator(Generator generator);
  ~ThreadGenerator();
  ThreadGenerator(const ThreadGenerator&) = delete;
  ThreadGenerator& operator=(const ThreadGenerator&) = delete;

 private:
  Generator generator_;
  Generator* before_;
};

}  // namespace taper
