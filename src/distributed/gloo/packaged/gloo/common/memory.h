// Debian's libgloo-dev lacks this header, which others of its headers include; where a Gloo has it, that one
// is found first. The types stand in Gloo's classes, so what matters is their size.
#pragma once

#include <memory>

namespace gloo {

template <class T>
class NonOwningPtr {
  std::shared_ptr<T> pointer_;
};

template <class T>
class WeakNonOwningPtr {
  std::weak_ptr<T> pointer_;
};

template <class T>
class ShareableNonOwningPtr {
  std::shared_ptr<T> pointer_;
};

}  // namespace gloo
