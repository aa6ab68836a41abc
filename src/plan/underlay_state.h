// SPDX-License-Identifier: Apache-2.0
// The present state of the underlay that is used. It stays in use for as long as it exists: a new
// address, a better default route or a new interface does not replace it. If its interface or an
// address is gone, or the default route has moved away from it, another choice takes its place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "plan/host.h"
#include "plan/underlay_choice.h"

namespace flannel {

struct UnderlayState {
  Underlay underlay;  // the same interface and addresses, with its present name, index and MTU
  // The choice that takes its place if this lasts; nullopt: `underlay` stays.
  std::optional<UnderlayChoice> next;
  std::vector<Problem> problems;
};

// The interface is identified by its index, even under another name. If the index is gone, an
// interface with the old name is taken as the same one, recreated.
UnderlayState underlay_state(const Underlay& used, const UnderlayRequest& request,
                             const HostView& host);

}  // namespace flannel
