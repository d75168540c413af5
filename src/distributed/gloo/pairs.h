// Connections between two ranks that are made only with who knows the job's secret.
#pragma once

#include <gloo/transport/tcp/device.h>

#include <memory>

#include "distributed/transport.h"

namespace taper::distributed {

/// Gloo's device, except for how its pairs connect. Gloo takes the first connection that comes to a pair's
/// port, whosoever it is, and waits for one five times as long as it is told, whatever happened to the other
/// rank. Here both sides prove by HMAC-SHA-256, over fresh random numbers of both, that they are the ranks of
/// this group, before Gloo reads a byte; strangers get five seconds, and waiting ends when the job fails.
/// exchange must live until the pairs are connected.
std::shared_ptr<gloo::transport::tcp::Device> device_for(const gloo::transport::tcp::attr& attributes,
                                                         const Exchange& exchange);

}  // namespace taper::distributed
