// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "base/problem.h"
#include "plan/ipsec.h"

namespace flannel {

// Agrees with peers on the keys of tunnels, and gives them to the kernel. The real one is charon.h.
// Loop thread only.
class KeyExchange {
 public:
  virtual ~KeyExchange() = default;

  virtual void set_settings(const IpsecSettings& settings) = 0;
  // The tunnels from now on. Before the first call those of an earlier run stay as they are.
  virtual void set_peers(std::vector<IpsecPeer> peers) = 0;
  // Ends all tunnels. `done` is called once, perhaps at once, and at the latest after some seconds.
  virtual void withdraw(std::function<void()> done) = 0;
  virtual void append_problems(std::vector<Problem>& all) const = 0;
};

}  // namespace flannel
