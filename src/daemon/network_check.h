// SPDX-License-Identifier: Apache-2.0
// What this host uses outside of the overlay, looked at again and again, against the network.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "plan/surroundings.h"

namespace flannel {

// Loop thread only.
class NetworkCheck {
 public:
  struct Parts {
    Loop& loop;  // outlives the check
    std::function<Result<HostView>()> look_at_host;
    std::function<std::vector<Ip4>()> endpoints;  // of the store
    Underlay used;
    Cidr4 network;
    std::vector<std::string> devices;  // ours
    std::function<void()> on_change;   // surroundings() and trouble() may answer differently
  };

  // Looks once.
  explicit NetworkCheck(Parts parts);

  // Looks again; by itself every 30 s: nothing tells of a changed resolv.conf or of each route.
  void check();
  // The same soon, many at once.
  void suspect();

  const Surroundings& surroundings() const { return surroundings_; }
  // What of them the network contains, and what to do; empty: nothing.
  const std::string& trouble() const { return trouble_; }

 private:
  void look();
  void arm(TimePoint at);

  Parts parts_;
  Surroundings surroundings_;
  std::string trouble_;
  TimePoint next_at_ = kNever;
  SubscriptionPtr next_;
};

}  // namespace flannel
