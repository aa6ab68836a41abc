// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace flannel {

// Stops what it stands for (a timer, a watched fd, a watch of the store) when it is destroyed.
// Must not outlive what gave it out. Loop thread only.
class Subscription {
 public:
  virtual ~Subscription() = default;
};
using SubscriptionPtr = std::unique_ptr<Subscription>;

}  // namespace flannel
