// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "base/shared.h"
#include "core/lease.h"
#include "core/store_feed.h"
#include "net/address.h"
#include "plan/wireguard.h"

namespace flannel {

// The hosts that have each WireGuard key. Of several leases with one key the newest has it: a host
// that lost its lease has taken another one since. The answer depends on the records alone, so all
// hosts with one view of the store give the same. Leases are named by the identity() of their
// subnets. No I/O; each call costs work for the leases with one key only.
class KeyOwners {
 public:
  // Both return the other leases with a key that this one has or had: their newer_than() may be
  // another. A lease without a key has no effect. `created`: the revision of the record.
  std::vector<IpPrefix> put(const Shared<Lease>& lease, Revision created);
  std::vector<IpPrefix> remove(const IpPrefix& name);

  // The newest lease with the key of this one; null: it is the newest, or has no key.
  const Lease* newer_than(const IpPrefix& name) const;
  // All leases with this key.
  std::vector<Shared<Lease>> with(const WireguardKey& key) const;

 private:
  struct Owner {
    Shared<Lease> lease;
    Revision created = 0;
  };

  std::map<IpPrefix, WireguardKey> keys_;
  std::map<WireguardKey, std::map<IpPrefix, Owner>> owners_;
};

}  // namespace flannel
