// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

namespace flannel {

// A value on the heap that never changes and that all copies share: a copy takes 16 bytes and costs
// no memory. It is compared by its value, and is used like a pointer to it. A value that was moved
// from may only be assigned or destroyed.
template <typename T>
class Shared {
 public:
  Shared() : Shared(T()) {}
  // NOLINTNEXTLINE(google-explicit-constructor): it is used in place of the value
  Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  operator const T&() const { return *value_; }

  bool operator==(const Shared& other) const {
    return value_ == other.value_ || *value_ == *other.value_;
  }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace flannel
