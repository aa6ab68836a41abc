// SPDX-License-Identifier: Apache-2.0
// How the underlay that was chosen at the start does now. What is announced stays for as long as it
// exists: an address, a default route or an interface that merely came is no reason to move.
#pragma once

#include <string>
#include <vector>

#include "plan/host.h"
#include "plan/host_trouble.h"
#include "plan/underlay_choice.h"

namespace flannel {

struct UnderlayState {
  // The same interface: its name or its index may be another. The MTU is that of the start.
  Underlay underlay;
  std::vector<HostTrouble> troubles;
};

// An interface is its index, whatever it is called; once that is gone, one of its name that has its
// address is the same made anew. `request` is asked only for what a restart would choose.
UnderlayState underlay_state(const Underlay& used, const UnderlayRequest& request,
                             const HostView& host);

}  // namespace flannel
