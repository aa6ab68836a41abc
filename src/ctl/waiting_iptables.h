// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "ctl/wait_for_answer.h"
#include "filter/iptables.h"

namespace flannel {

// Runs the programs of one iptables variant and waits for them.
class WaitingIptables {
 public:
  static Result<std::shared_ptr<WaitingIptables>> open(IptablesKind kind, Family family) {
    auto loop = TRY(EpollLoop::open());
    auto iptables = TRY(Iptables::find(kind, family, *loop));
    return std::shared_ptr<WaitingIptables>(
        new WaitingIptables(std::move(loop), std::move(iptables)));
  }

  const std::string& name() const { return iptables_->name(); }
  bool is_legacy() const { return iptables_->is_legacy(); }
  Result<std::string> save() {
    return *wait_for_answer<std::string>(*loop_,
                                         [&](auto reply) { iptables_->save(std::move(reply)); });
  }
  Result<void> restore(const std::string& text) {
    return *wait_for_answer<void>(*loop_,
                                  [&](auto reply) { iptables_->restore(text, std::move(reply)); });
  }

 private:
  WaitingIptables(std::unique_ptr<EpollLoop> loop, std::unique_ptr<Iptables> iptables)
      : loop_(std::move(loop)), iptables_(std::move(iptables)) {}

  std::unique_ptr<EpollLoop> loop_;
  std::unique_ptr<Iptables> iptables_;  // destroyed before the loop
};

}  // namespace flannel
