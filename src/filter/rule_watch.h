// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "filter/rule_change.h"
#include "kernel/netlink/netlink_message.h"
#include "loop/loop.h"

namespace flannel {

// nullopt if the message is not about a table, chain or rule of one family of
// addresses.
std::optional<RuleChange> decode_rule_change(const NetlinkMessage& message);

// Reports changes of nftables in the network namespace of the thread that opens it, our own changes
// included. The kernel sends no notifications for iptables-legacy. Loop thread only.
class RuleWatch {
 public:
  using Question = std::function<bool(const RuleChange&)>;

  // Calls `on_change` once a turn, if `is_ours` returned true for a change, or if notifications
  // were lost. It must not destroy the watch. `loop` outlives the watch. ErrorKind::system: the
  // kernel has no nftables.
  static Result<std::unique_ptr<RuleWatch>> open(Loop& loop, Question is_ours,
                                                 std::function<void()> on_change);

 private:
  RuleWatch(Fd fd, Question is_ours, std::function<void()> on_change);
  void on_readable();

  Fd fd_;
  const Question is_ours_;
  const std::function<void()> on_change_;
  std::vector<std::byte> buffer_;
  SubscriptionPtr watch_;
};

}  // namespace flannel
