// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/pool_use.h"
#include "daemon/node.h"
#include "http/message.h"
#include "loop/loop_gate.h"
#include "status/board.h"
#include "status/control_api.h"

namespace flannel {

// Serves the control socket: docs/control-api.md. Made and destroyed on the loop thread.
class Control {
 public:
  using Pools = std::function<std::vector<PoolUse>()>;

  // All must outlive this object. `pools` returns what Docker has got from this host's subnets, on
  // any thread. `owner`: the user of this process.
  Control(Loop& loop, Node& node, const StatusBoard& board, Pools pools, uid_t owner)
      : node_(node), board_(board), pools_(std::move(pools)), owner_(owner), gate_(loop) {}

  // The handler runs on the thread of the server. It must not be called after the end of this
  // object. What the loop knows is copied by the loop, and rendered by the server.
  HttpHandler handler();

  // What this host knows of all others in a network, sorted by subnet. Loop thread only.
  control::PeersView peers(const std::string& network) const;

 private:
  struct Compared {
    TimePoint at;
    Result<Comparison> comparison;
  };

  void answer_of_network(control::Call call, const HttpRequest& request, const HttpReply& reply);
  Network* find(const std::string& network) const;
  void ping(const std::string& network, const control::PingCall& call,
            const HttpReply& reply) const;
  void rotate_key(const std::string& network, const HttpReply& reply) const;
  void read_rows(const std::string& network, const HttpReply& reply);
  HttpResponse set_checksums(bool software);
  std::shared_ptr<const Compared> compare_kernel(const std::string& network);

  Node& node_;
  const StatusBoard& board_;
  Pools pools_;
  uid_t owner_;
  std::map<std::string, std::shared_ptr<const Compared>> compared_;  // the last of each network
  LoopGate gate_;
  LoopGate::Sender sender_ = gate_.sender();
};

}  // namespace flannel
