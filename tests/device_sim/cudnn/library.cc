// Numbers in memory, and the log.
#include "library.h"

#include <cstdlib>
#include <fstream>

#include "../ptx/values.h"

namespace device_sim {

std::string& last_error() {
  thread_local std::string words;
  return words;
}

int64_t bytes_of(cudnnDataType_t type) {
  switch (type) {
    case CUDNN_DATA_DOUBLE: return 8;
    case CUDNN_DATA_FLOAT:
    case CUDNN_DATA_INT32: return 4;
    case CUDNN_DATA_BOOLEAN: return 1;
    default: return 2;
  }
}

double load(const void* data, cudnnDataType_t type, int64_t at) {
  switch (type) {
    case CUDNN_DATA_HALF: return double(static_cast<const Half*>(data)[at]);
    case CUDNN_DATA_BFLOAT16: return double(float(static_cast<const Bfloat16*>(data)[at]));
    case CUDNN_DATA_FLOAT: return static_cast<const float*>(data)[at];
    case CUDNN_DATA_INT32: return static_cast<const int32_t*>(data)[at];
    case CUDNN_DATA_BOOLEAN: return static_cast<const bool*>(data)[at];
    default: return static_cast<const double*>(data)[at];
  }
}

void store(void* data, cudnnDataType_t type, int64_t at, double value) {
  switch (type) {
    case CUDNN_DATA_HALF: static_cast<Half*>(data)[at] = Half(value); break;
    case CUDNN_DATA_BFLOAT16: static_cast<Bfloat16*>(data)[at] = Bfloat16(value); break;
    case CUDNN_DATA_FLOAT: static_cast<float*>(data)[at] = float(value); break;
    case CUDNN_DATA_INT32: static_cast<int32_t*>(data)[at] = int32_t(value); break;
    case CUDNN_DATA_BOOLEAN: static_cast<bool*>(data)[at] = value != 0; break;
    default: static_cast<double*>(data)[at] = value;
  }
}

void log_execution(const std::string& kind, int engine) {
  if (const char* log = std::getenv("DEVICE_SIM_CUDNN_LOG"))
    std::ofstream(log, std::ios::app) << kind << " " << engine << "\n";
}

}  // namespace device_sim
