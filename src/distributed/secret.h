// The job's secret and the proofs that a peer knows it.
#pragma once

#include <string>
#include <string_view>

namespace taper::distributed {

/// TAPER_JOB_SECRET; else the content of ~/.config/taper/job-secret, which is made at first use, readable by
/// its owner only. Throws DistributedError where there is neither, or where others may read the file.
std::string job_secret();

/// Unpredictable bytes of the operating system.
std::string random_bytes(std::size_t count);
std::string to_hex(std::string_view bytes);

/// HMAC-SHA-256 of text under the secret (RFC 2104).
std::string proof(std::string_view secret, std::string_view text);

/// Compares without telling by its duration where two texts differ.
bool same_proof(std::string_view a, std::string_view b);

}  // namespace taper::distributed
