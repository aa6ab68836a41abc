// SPDX-License-Identifier: Apache-2.0
// Lets the networks of one process change iptables one after another. They share its chains, and a
// pass over them reads the rules, decides, and writes: what another pass wrote in between would be
// lost.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "loop/loop.h"
#include "loop/timer.h"
#include "net/address.h"

namespace flannel {

class IptablesTurn;

// Those of a process that have the turn or wait for it. The rules of the two families are apart.
class IptablesQueue {
 private:
  friend class IptablesTurn;
  std::map<Family, std::deque<IptablesTurn*>> waiting_;  // the first has the turn
};

// One that takes turns. Loop thread only.
class IptablesTurn {
 public:
  // Both outlive it.
  IptablesTurn(IptablesQueue& queue, Family family, Loop& loop)
      : waiting_(queue.waiting_[family]), begin_(loop, [this] { begin(); }) {}
  ~IptablesTurn() { end(); }
  IptablesTurn(const IptablesTurn&) = delete;
  IptablesTurn& operator=(const IptablesTurn&) = delete;

  // Calls `work` when it is this one's turn: at once, or in a later turn of the loop. Must be
  // followed by end() before it is called again.
  void take(std::function<void()> work);
  // It is over, or not awaited any more. Without take() this has no effect.
  void end();

 private:
  void begin();

  std::deque<IptablesTurn*>& waiting_;
  std::function<void()> work_;  // empty: it has begun, or there is none
  Timer begin_;
};

}  // namespace flannel
