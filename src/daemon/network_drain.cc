// SPDX-License-Identifier: Apache-2.0
// The part of Network that leaves the overlay of the cluster and comes back: `flannelctl drain`.
#include "daemon/network.h"

namespace flannel {

void Network::drain() {
  withdrawn_ = true;
  lease_->drain();
}

void Network::undrain() {
  lease_->undrain();
}

// A run before may have left containers, devices and routes. All of them stay: what this host had
// is kept as if it still had its lease.
void Network::begin_drained(const Snapshot& snapshot) {
  withdrawn_ = true;
  lease_->drain(&snapshot);
  if (const std::optional<Lease> held = keeper().lease()) program(*held);
}

}  // namespace flannel
