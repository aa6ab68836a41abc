// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/net_state.h"

namespace flannel {

// A device with one of our names, of a kind that we make, that was there before this run of the
// daemon.
struct LeftDevice {
  Link link;                   // has only the name and the kind if it is a TUN device
  bool is_of_network = false;  // it has an address in the network; if not, it may be of another one
};

}  // namespace flannel
