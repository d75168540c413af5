// Gloo (https://github.com/facebookincubator/gloo) over TCP as the transport of process groups.
#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/alltoallv.h>
#include <gloo/broadcast.h>
#include <gloo/gather.h>
#include <gloo/reduce.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/scatter.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/tcp/loop.h>
#include <gloo/types.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "distributed/gloo/pairs.h"
#include "distributed/transport.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

using Milliseconds = std::chrono::milliseconds;
using Buffer = std::unique_ptr<gloo::transport::UnboundBuffer>;

// Beside the prefixes of Gloo's own collectives (1 to 8 in gloo/types.h).
constexpr std::uint8_t transfer_prefix = 0x40;

// Gloo's view of the store.
class GlooStore : public gloo::rendezvous::Store {
 public:
  explicit GlooStore(const Exchange& exchange) : exchange_(exchange) {}
  void set(const std::string& key, const std::vector<char>& data) override {
    exchange_.set(key, std::string(data.begin(), data.end()));
  }
  std::vector<char> get(const std::string& key) override {
    const std::string value = exchange_.get(key);
    return {value.begin(), value.end()};
  }
  void wait(const std::vector<std::string>& keys) override {
    for (const std::string& key : keys) exchange_.get(key);
  }
  void wait(const std::vector<std::string>& keys, const Milliseconds&) override { wait(keys); }

 private:
  const Exchange& exchange_;
};

// A zero in Gloo means that there is no time limit.
Milliseconds limited(Milliseconds timeout) { return std::max(timeout, Milliseconds(1)); }

// Gloo takes no buffers of nothing.
char nothing[16];

// The buffers that are waited for. Gloo fails what waits in a context when one wait times out, but not a
// buffer that has been filled in part when a link is cut.
class Waits {
 public:
  /// wait(), which abort() breaks off. Throws runtime_error when it was.
  template <class F>
  void run(gloo::transport::UnboundBuffer& buffer, F&& wait) {
    enter(buffer);
    try {
      const bool done = wait();
      leave(buffer);
      if (!done) throw std::runtime_error("aborted");
    } catch (...) {
      leave(buffer);
      throw;
    }
  }
  void abort() {
    const std::lock_guard lock(lock_);
    aborted_ = true;
    for (auto* buffer : buffers_) {
      buffer->abortWaitRecv();
      buffer->abortWaitSend();
    }
  }

 private:
  void enter(gloo::transport::UnboundBuffer& buffer) {
    const std::lock_guard lock(lock_);
    if (aborted_) throw std::runtime_error("aborted");
    buffers_.push_back(&buffer);
  }
  void leave(gloo::transport::UnboundBuffer& buffer) {
    const std::lock_guard lock(lock_);
    std::erase(buffers_, &buffer);
  }

  std::mutex lock_;
  std::vector<gloo::transport::UnboundBuffer*> buffers_;
  bool aborted_ = false;
};

class GlooTransfer : public Transfer {
 public:
  GlooTransfer(Buffer buffer, Milliseconds timeout, std::shared_ptr<Waits> waits)
      : buffer_(std::move(buffer)), timeout_(timeout), waits_(std::move(waits)) {}
  void sent() override {
    waits_->run(*buffer_, [this] { return buffer_->waitSend(nullptr, timeout_); });
  }
  int received() override {
    int rank = -1;
    waits_->run(*buffer_, [&] { return buffer_->waitRecv(&rank, timeout_); });
    return rank;
  }

 private:
  const Buffer buffer_;
  const Milliseconds timeout_;
  const std::shared_ptr<Waits> waits_;
};

// Both ways at once, begun in the thread of Gloo's event loop.
class GlooExchange : public Transfer {
 public:
  struct Posted {
    void begin(int from, int to, std::uint64_t slot) {
      const std::lock_guard guard(lock);
      if (!in) return;
      try {
        in->recv(from, slot);
        out->send(to, slot);
      } catch (...) {
        failure = std::current_exception();
        in->abortWaitRecv();
        out->abortWaitSend();
      }
    }
    std::mutex lock;
    Buffer out, in;
    std::exception_ptr failure;
  };

  GlooExchange(std::shared_ptr<Posted> posted, Milliseconds timeout, std::shared_ptr<Waits> waits)
      : posted_(std::move(posted)), timeout_(timeout), waits_(std::move(waits)) {}
  // The memory may go when this is gone, so what has not begun must not begin any more.
  ~GlooExchange() override {
    std::unique_lock lock(posted_->lock);
    const Buffer out = std::move(posted_->out), in = std::move(posted_->in);
    lock.unlock();
  }
  void sent() override {
    wait(*posted_->out, [this] { return posted_->out->waitSend(nullptr, timeout_); });
  }
  int received() override {
    int rank = -1;
    wait(*posted_->in, [&] { return posted_->in->waitRecv(&rank, timeout_); });
    return rank;
  }

 private:
  template <class F>
  void wait(gloo::transport::UnboundBuffer& buffer, F&& f) {
    try {
      waits_->run(buffer, f);
    } catch (const std::exception&) {
      const std::lock_guard guard(posted_->lock);
      if (posted_->failure) std::rethrow_exception(posted_->failure);
      throw;
    }
  }

  const std::shared_ptr<Posted> posted_;
  const Milliseconds timeout_;
  const std::shared_ptr<Waits> waits_;
};

// Runs functions in the thread of Gloo's event loop. That thread tries the lock of a connection again and
// again while another thread holds it; where the two share a processor, that takes until the end of the time
// slice.
//
// A thread that closes a connection holds the connection's lock until that loop has gone on: functions must
// not be run, which wait for the lock, while a thread does so. stop() comes before.
class Poster : public gloo::transport::tcp::Handler {
 public:
  explicit Poster(std::shared_ptr<gloo::transport::tcp::Device> device)
      : device_(std::move(device)), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    check<DistributedError>(event_ >= 0, "distributed: no event descriptor: ", std::strerror(errno));
    device_->registerDescriptor(event_, EPOLLIN, this);
  }
  ~Poster() override {
    device_->unregisterDescriptor(event_, this);
    ::close(event_);
  }
  void post(std::function<void()> function) {
    std::unique_lock lock(lock_);
    waiting_.push_back(std::move(function));
    // The write wakes a thread that takes this lock first.
    lock.unlock();
    const std::uint64_t one = 1;
    (void)!::write(event_, &one, sizeof one);
  }
  void handleEvents(int) override {
    std::uint64_t count;
    (void)!::read(event_, &count, sizeof count);
    std::unique_lock lock(lock_);
    std::vector<std::function<void()>> functions = std::move(waiting_);
    waiting_.clear();
    lock.unlock();
    const std::lock_guard running(running_);
    for (const auto& function : functions)
      if (!stopped_) function();
  }
  /// Waits for the function that runs; later ones are dropped.
  void stop() {
    const std::lock_guard running(running_);
    stopped_ = true;
  }

 private:
  const std::shared_ptr<gloo::transport::tcp::Device> device_;
  const int event_;
  std::mutex lock_, running_;
  std::vector<std::function<void()>> waiting_;
  bool stopped_ = false;
};

class GlooTransport : public Transport {
 public:
  GlooTransport(int rank, int size, const std::string& address, const Exchange& exchange,
                Milliseconds timeout);
  void set_timeout(Milliseconds timeout) override { context_->setTimeout(limited(timeout)); }
  void all_reduce(void* data, std::size_t count, const Reduction& reduction, std::uint32_t tag) override;
  void reduce(void* data, std::size_t count, const Reduction& reduction, int root,
              std::uint32_t tag) override;
  void reduce_scatter(void* output, const void* input, std::size_t count, const Reduction& reduction,
                      std::uint32_t tag) override;
  void broadcast(void* data, std::size_t bytes, int root, std::uint32_t tag) override;
  void all_gather(void* output, const void* input, std::size_t bytes, std::uint32_t tag) override;
  void gather(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) override;
  void scatter(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) override;
  void all_to_all(void* output, const std::vector<std::int64_t>& output_bytes, const void* input,
                  const std::vector<std::int64_t>& input_bytes, std::uint32_t tag) override;
  std::unique_ptr<Transfer> begin_exchange(int to, const void* output, std::size_t bytes, int from,
                                           void* input, std::size_t room, std::uint64_t tag,
                                           std::uint8_t lane) override;
  std::unique_ptr<Transfer> begin_send(const void* data, std::size_t bytes, int to, std::uint64_t tag,
                                       std::uint8_t lane) override;
  std::unique_ptr<Transfer> begin_receive(void* data, std::size_t bytes, std::optional<int> from,
                                          std::uint64_t tag, std::uint8_t lane) override;
  void abort() noexcept override;

 private:
  Buffer buffer(const void* data, std::size_t bytes) {
    return context_->createUnboundBuffer(bytes ? const_cast<void*>(data) : nothing, bytes);
  }
  static std::uint64_t slot_of(std::uint64_t tag, std::uint8_t lane) {
    return (std::uint64_t(transfer_prefix + lane) << 56) | (tag & 0xffffffffffffull);
  }

  std::shared_ptr<gloo::rendezvous::Context> context_;
  std::unique_ptr<Poster> poster_;
  const std::shared_ptr<Waits> waits_ = std::make_shared<Waits>();
};

GlooTransport::GlooTransport(int rank, int size, const std::string& address, const Exchange& exchange,
                             Milliseconds timeout)
    : context_(std::make_shared<gloo::rendezvous::Context>(rank, size)) {
  gloo::transport::tcp::attr attributes;
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface && *interface) attributes.iface = interface;
  else attributes.hostname = address;
  const auto device = device_for(attributes, exchange);
  context_->setTimeout(limited(timeout));
  GlooStore store(exchange);
  std::shared_ptr<gloo::transport::Device> any = device;
  context_->connectFullMesh(store, any);
  poster_ = std::make_unique<Poster>(device);
}

// Gloo's size of one element is that of a template argument, of which only the size is used.
template <class F>
void with_item(std::size_t item_size, F&& body) {
  switch (item_size) {
    case 1: return body(std::uint8_t());
    case 2: return body(std::uint16_t());
    case 4: return body(std::uint32_t());
    case 8: return body(std::uint64_t());
    default: return body(std::pair<std::uint64_t, std::uint64_t>());
  }
}

void GlooTransport::all_reduce(void* data, std::size_t count, const Reduction& reduction, std::uint32_t tag) {
  with_item(reduction.item_size(), [&]<class T>(T) {
    gloo::AllreduceOptions options(context_);
    options.setOutput(static_cast<T*>(data), count);
    options.setReduceFunction(reduction.combine);
    options.setTag(tag);
    gloo::allreduce(options);
  });
}

void GlooTransport::reduce(void* data, std::size_t count, const Reduction& reduction, int root,
                           std::uint32_t tag) {
  with_item(reduction.item_size(), [&]<class T>(T) {
    gloo::ReduceOptions options(context_);
    options.setOutput(static_cast<T*>(data), count);
    options.setReduceFunction(reduction.combine);
    options.setRoot(root);
    options.setTag(tag);
    gloo::reduce(options);
  });
}

void GlooTransport::reduce_scatter(void* output, const void* input, std::size_t count,
                                   const Reduction& reduction, std::uint32_t tag) {
  const std::size_t bytes = count * reduction.item_size(), size = std::size_t(context_->size);
  const auto parts = std::make_unique_for_overwrite<std::byte[]>(bytes * size);
  const std::vector<std::int64_t> each(size, std::int64_t(bytes));
  all_to_all(parts.get(), each, input, each, tag);
  for (std::size_t other = 1; other < size; ++other)
    reduction.combine(parts.get(), parts.get(), parts.get() + other * bytes, count);
  std::memcpy(output, parts.get(), bytes);
}

void GlooTransport::broadcast(void* data, std::size_t bytes, int root, std::uint32_t tag) {
  gloo::BroadcastOptions options(context_);
  options.setOutput(static_cast<char*>(data), bytes);
  options.setRoot(root);
  options.setTag(tag);
  gloo::broadcast(options);
}

void GlooTransport::all_gather(void* output, const void* input, std::size_t bytes, std::uint32_t tag) {
  gloo::AllgatherOptions options(context_);
  options.setInput(static_cast<char*>(const_cast<void*>(input)), bytes);
  options.setOutput(static_cast<char*>(output), bytes * std::size_t(context_->size));
  options.setTag(tag);
  gloo::allgather(options);
}

void GlooTransport::gather(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) {
  gloo::GatherOptions options(context_);
  options.setInput(static_cast<char*>(const_cast<void*>(input)), bytes);
  if (root == context_->rank)
    options.setOutput(static_cast<char*>(output), bytes * std::size_t(context_->size));
  options.setRoot(root);
  options.setTag(tag);
  gloo::gather(options);
}

void GlooTransport::scatter(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) {
  gloo::ScatterOptions options(context_);
  if (root == context_->rank) {
    std::vector<char*> parts;
    for (int rank = 0; rank < context_->size; ++rank)
      parts.push_back(static_cast<char*>(const_cast<void*>(input)) + std::size_t(rank) * bytes);
    options.setInputs(parts, bytes);
  }
  options.setOutput(static_cast<char*>(output), bytes);
  options.setRoot(root);
  options.setTag(tag);
  gloo::scatter(options);
}

void GlooTransport::all_to_all(void* output, const std::vector<std::int64_t>& output_bytes, const void* input,
                               const std::vector<std::int64_t>& input_bytes, std::uint32_t tag) {
  gloo::AlltoallvOptions options(context_);
  options.setInput(static_cast<char*>(const_cast<void*>(input)), input_bytes);
  options.setOutput(static_cast<char*>(output), output_bytes);
  options.setTag(tag);
  gloo::alltoallv(options);
}

std::unique_ptr<Transfer> GlooTransport::begin_exchange(int to, const void* output, std::size_t bytes,
                                                        int from, void* input, std::size_t room,
                                                        std::uint64_t tag, std::uint8_t lane) {
  auto posted = std::make_shared<GlooExchange::Posted>();
  posted->out = buffer(output, bytes);
  posted->in = buffer(input, room);
  poster_->post([posted, from, to, slot = slot_of(tag, lane)] { posted->begin(from, to, slot); });
  return std::make_unique<GlooExchange>(std::move(posted), context_->getTimeout(), waits_);
}

std::unique_ptr<Transfer> GlooTransport::begin_send(const void* data, std::size_t bytes, int to,
                                                    std::uint64_t tag, std::uint8_t lane) {
  Buffer message = buffer(data, bytes);
  message->send(to, slot_of(tag, lane));
  return std::make_unique<GlooTransfer>(std::move(message), context_->getTimeout(), waits_);
}

std::unique_ptr<Transfer> GlooTransport::begin_receive(void* data, std::size_t bytes, std::optional<int> from,
                                                       std::uint64_t tag, std::uint8_t lane) {
  Buffer message = buffer(data, bytes);
  if (from) {
    message->recv(*from, slot_of(tag, lane));
  } else {
    std::vector<int> others;
    for (int rank = 0; rank < context_->size; ++rank)
      if (rank != context_->rank) others.push_back(rank);
    message->recv(others, slot_of(tag, lane));
  }
  return std::make_unique<GlooTransfer>(std::move(message), context_->getTimeout(), waits_);
}

// A wait that times out makes Gloo fail everything else that waits in the context: its one way to be
// interrupted.
void GlooTransport::abort() noexcept {
  poster_->stop();
  try {
    buffer(nothing, 1)->waitRecv(nullptr, Milliseconds(1));
  } catch (const std::exception&) {
  }
  waits_->abort();
}

}  // namespace

std::unique_ptr<Transport> connect_gloo(int rank, int size, const std::string& address,
                                        const Exchange& exchange, Milliseconds timeout) {
  return std::make_unique<GlooTransport>(rank, size, address, exchange, timeout);
}

}  // namespace taper::distributed
