// SPDX-License-Identifier: Apache-2.0
// The present state of the underlay that was chosen at the start. The announced underlay stays in
// use for as long as it exists: a new address, default route or interface does not replace it.
#pragma once

#include <string>
#include <vector>

#include "plan/host.h"
#include "plan/host_trouble.h"
#include "plan/underlay_choice.h"

namespace flannel {

struct UnderlayState {
  // The same interface, with its present name and index, and the MTU of the start.
  Underlay underlay;
  std::vector<HostTrouble> troubles;
};

// The interface is identified by its index, even under another name. If the index is gone, an
// interface with the old name is taken as the same one, recreated. `request` is used only to find
// what a restart would choose.
UnderlayState underlay_state(const Underlay& used, const UnderlayRequest& request,
                             const HostView& host);

}  // namespace flannel
