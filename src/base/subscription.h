// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace flannel {

// Represents a timer, a watched descriptor or a watch of the store, and stops it when destroyed.
// Must not outlive the object that returned it. Loop thread only.
class Subscription {
 public:
  virtual ~Subscription() = default;
};
using SubscriptionPtr = std::unique_ptr<Subscription>;

}  // namespace flannel
