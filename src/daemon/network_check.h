// SPDX-License-Identifier: Apache-2.0
// Periodically checks whether the networks contain addresses that this host uses outside of the
// overlay.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "plan/surroundings.h"

namespace flannel {

// Loop thread only.
class NetworkCheck {
 public:
  struct Parts {
    Loop& loop;                      // must outlive the check
    Host& host;                      // must outlive the check
    std::function<Underlay()> used;  // the underlay
    std::vector<IpPrefix> networks;
    std::function<std::vector<std::string>()> devices;  // ours
    std::function<void()> on_change;  // surroundings() and problems() may have changed
  };

  explicit NetworkCheck(Parts parts) : parts_(std::move(parts)) {}

  // Checks now. From then on this also happens every 30 s, since there are no notifications of a
  // changed resolv.conf, nor of every route.
  void check();
  // Checks other networks from now on, and does so at once.
  void set_networks(std::vector<IpPrefix> networks);
  // Makes one check soon, however often this is called.
  void suspect();

  const Surroundings& surroundings() const { return surroundings_; }
  // Returns which of these addresses the networks contain: at most one problem for each network.
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  void read();

  Parts parts_;
  Surroundings surroundings_;
  std::vector<Problem> problems_;
  Timer timer_{parts_.loop, [this] { check(); }};
};

}  // namespace flannel
