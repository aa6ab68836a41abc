// SPDX-License-Identifier: Apache-2.0
// Whether the underlay that was chosen at the start would be chosen now, too.
#pragma once

#include <functional>
#include <string>

#include "loop/loop.h"
#include "plan/underlay_choice.h"

namespace flannel {

// Loop thread only.
class UnderlayCheck {
 public:
  struct Parts {
    Loop& loop;  // outlives the check
    std::function<Result<HostView>()> look_at_host;
    UnderlayRequest request;
    Underlay used;
    std::function<void()> on_checked;  // after each check: ways to other hosts may have changed
    std::function<void()> on_state;    // trouble() is another
  };

  explicit UnderlayCheck(Parts parts);

  // Reads the host's interfaces and compares. Repeats itself every 5 s while there is a trouble:
  // the kernel does not notify of everything that the choice depends on, a default route say.
  void check();

  // What has changed, with the remedy; empty: nothing.
  const std::string& trouble() const { return trouble_; }

 private:
  std::string find_trouble() const;

  Parts parts_;
  std::string trouble_;
  SubscriptionPtr retry_;
};

}  // namespace flannel
