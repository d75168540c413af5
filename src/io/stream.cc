// Sequential reading.
#include "io/stream.h"

#include "taper/error.h"

namespace taper::io {

void Stream::read(void* destination, std::size_t size) {
  check<IOError>(size <= left(), name_, " is truncated: it ends after ", size_, " bytes, ", size - left(),
                 " bytes too early");
  if (size) fetch(destination, size);
  position_ += size;
}

void SourceStream::fetch(void* destination, std::size_t size) {
  source_.read(offset_ + position(), destination, size);
}

void SourceStream::finish() {
  check<IOError>(left() == 0, name(), " has ", left(), " bytes after its data");
  source_.check_unchanged();
}

}  // namespace taper::io
