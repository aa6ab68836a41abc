// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/netlink_message.h"
#include "loop/loop.h"

namespace flannel {

// Where in nftables something changed; iptables over nftables has its rules there too. Names point
// into the message; without a chain it is the table itself.
struct RuleChange {
  std::string_view table, chain;
};
// Nothing: no change of a table, chain or rule of IPv4.
std::optional<RuleChange> decode_rule_change(const NetlinkMessage& message);

// Hears from the kernel who changes rules of nftables in the network namespace that the opening
// thread is in, us included. The rules of iptables-legacy are not told of. Loop thread only.
class RuleWatch {
 public:
  using Question = std::function<bool(const RuleChange&)>;

  // `on_change` once a turn, if `is_ours` said yes to a change, or news were lost. It must not
  // destroy the watch. `loop` outlives it. ErrorKind::system: a kernel without nftables.
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
