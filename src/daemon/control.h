// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>

#include "daemon/node.h"
#include "http/message.h"
#include "loop/loop_gate.h"
#include "status/board.h"
#include "status/control_api.h"

namespace flannel {

// Serves the control socket: docs/control-api.md. Made and destroyed on the loop thread.
class Control {
 public:
  // All must outlive this object. `owner`: the user of this process.
  Control(Loop& loop, Node& node, const StatusBoard& board, uid_t owner)
      : node_(node), board_(board), owner_(owner), gate_(loop) {}

  // The handler runs on the thread of the server. It must not be called after the end of this
  // object. What the loop knows is copied by the loop, and rendered by the server.
  HttpHandler handler();

  // What this host knows of all others, sorted by subnet. Loop thread only.
  control::PeersView peers() const;

 private:
  struct Compared {
    TimePoint at;
    Result<Comparison> comparison;
  };

  void ping(const control::PingCall& call, const HttpReply& reply) const;
  void read_rows(const HttpReply& reply);
  HttpResponse set_checksums(bool software);
  std::shared_ptr<const Compared> compare_kernel();

  Node& node_;
  const StatusBoard& board_;
  uid_t owner_;
  std::shared_ptr<const Compared> compared_;  // the last one; null: none yet
  LoopGate gate_;
};

}  // namespace flannel
