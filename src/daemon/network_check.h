// SPDX-License-Identifier: Apache-2.0
// Periodically checks whether the networks contain addresses that this host uses outside of the
// overlay.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/surroundings.h"

namespace flannel {

// Loop thread only.
class NetworkCheck {
 public:
  struct Parts {
    Loop& loop;  // must outlive the check
    std::function<Result<HostView>()> read_host;
    std::function<std::vector<IpAddress>()> endpoints;  // of the store
    std::function<Underlay()> used;                     // the underlay
    std::vector<IpPrefix> networks;
    std::function<std::vector<std::string>()> devices;  // ours
    std::function<void()> on_change;  // surroundings() and troubles() may have changed
  };

  // Makes the first check.
  explicit NetworkCheck(Parts parts);

  // Checks again. This also happens every 30 s, since there are no notifications of a changed
  // resolv.conf, nor of every route.
  void check();
  // Makes one check soon, however often this is called.
  void suspect();

  const Surroundings& surroundings() const { return surroundings_; }
  // Returns which of these addresses the networks contain, and the remedy: at most one sentence for
  // each network.
  const std::vector<std::string>& troubles() const { return troubles_; }

 private:
  void read();

  Parts parts_;
  Surroundings surroundings_;
  std::vector<std::string> troubles_;
  Timer timer_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
