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
#include <gloo/types.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "distributed/transport.h"

namespace taper::distributed {

namespace {

using Milliseconds = std::chrono::milliseconds;
using Buffer = std::unique_ptr<gloo::transport::UnboundBuffer>;

// Beside the prefixes of Gloo's own collectives (1 to 8 in gloo/types.h).
constexpr std::uint8_t exchange_prefix = 0x20, transfer_prefix = 0x40;

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

class GlooTransfer : public Transfer {
 public:
  GlooTransfer(Buffer buffer, Milliseconds timeout) : buffer_(std::move(buffer)), timeout_(timeout) {}
  void sent() override {
    if (!buffer_->waitSend(nullptr, timeout_)) throw std::runtime_error("aborted");
  }
  int received() override {
    int rank = -1;
    if (!buffer_->waitRecv(&rank, timeout_)) throw std::runtime_error("aborted");
    return rank;
  }

 private:
  const Buffer buffer_;
  const Milliseconds timeout_;
};

class GlooTransport : public Transport {
 public:
  GlooTransport(int rank, int size, const std::string& address, const Exchange& exchange,
                Milliseconds timeout);
  void set_timeout(Milliseconds timeout) override { context_->setTimeout(limited(timeout)); }
  void all_reduce(void* data, std::size_t count, std::size_t item_size, Combine combine,
                  std::uint32_t tag) override;
  void reduce(void* data, std::size_t count, std::size_t item_size, Combine combine, int root,
              std::uint32_t tag) override;
  void broadcast(void* data, std::size_t bytes, int root, std::uint32_t tag) override;
  void all_gather(void* output, const void* input, std::size_t bytes, std::uint32_t tag) override;
  void gather(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) override;
  void scatter(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) override;
  void all_to_all(void* output, const std::vector<std::int64_t>& output_bytes, const void* input,
                  const std::vector<std::int64_t>& input_bytes, std::uint32_t tag) override;
  void exchange(int to, const void* output, int from, void* input, std::size_t bytes, std::uint32_t tag,
                std::uint8_t channel) override;
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
};

GlooTransport::GlooTransport(int rank, int size, const std::string& address, const Exchange& exchange,
                             Milliseconds timeout)
    : context_(std::make_shared<gloo::rendezvous::Context>(rank, size)) {
  gloo::transport::tcp::attr attributes;
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface && *interface) attributes.iface = interface;
  else attributes.hostname = address;
  auto device = gloo::transport::tcp::CreateDevice(attributes);
  context_->setTimeout(limited(timeout));
  GlooStore store(exchange);
  context_->connectFullMesh(store, device);
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

void GlooTransport::all_reduce(void* data, std::size_t count, std::size_t item_size, Combine combine,
                               std::uint32_t tag) {
  with_item(item_size, [&]<class T>(T) {
    gloo::AllreduceOptions options(context_);
    options.setOutput(static_cast<T*>(data), count);
    options.setReduceFunction(combine);
    options.setTag(tag);
    gloo::allreduce(options);
  });
}

void GlooTransport::reduce(void* data, std::size_t count, std::size_t item_size, Combine combine, int root,
                           std::uint32_t tag) {
  with_item(item_size, [&]<class T>(T) {
    gloo::ReduceOptions options(context_);
    options.setOutput(static_cast<T*>(data), count);
    options.setReduceFunction(combine);
    options.setRoot(root);
    options.setTag(tag);
    gloo::reduce(options);
  });
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

void GlooTransport::exchange(int to, const void* output, int from, void* input, std::size_t bytes,
                             std::uint32_t tag, std::uint8_t channel) {
  const std::uint64_t slot = gloo::Slot::build(exchange_prefix, tag) + channel;
  const Buffer out = buffer(output, bytes), in = buffer(input, bytes);
  in->recv(from, slot);
  out->send(to, slot);
  in->waitRecv(context_->getTimeout());
  out->waitSend(context_->getTimeout());
}

std::unique_ptr<Transfer> GlooTransport::begin_send(const void* data, std::size_t bytes, int to,
                                                    std::uint64_t tag, std::uint8_t lane) {
  Buffer message = buffer(data, bytes);
  message->send(to, slot_of(tag, lane));
  return std::make_unique<GlooTransfer>(std::move(message), context_->getTimeout());
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
  return std::make_unique<GlooTransfer>(std::move(message), context_->getTimeout());
}

// A wait that times out makes Gloo fail everything else that waits in the context: its one way to be
// interrupted.
void GlooTransport::abort() noexcept {
  try {
    buffer(nothing, 1)->waitRecv(nullptr, Milliseconds(1));
  } catch (const std::exception&) {
  }
}

}  // namespace

bool has_transport() { return true; }

std::unique_ptr<Transport> connect_transport(int rank, int size, const std::string& address,
                                             const Exchange& exchange, Milliseconds timeout) {
  return std::make_unique<GlooTransport>(rank, size, address, exchange, timeout);
}

}  // namespace taper::distributed
