// SPDX-License-Identifier: Apache-2.0
// The part of Network that gives this host another WireGuard key.
#include <algorithm>
#include <utility>

#include "backend/wireguard.h"
#include "daemon/network.h"

namespace flannel {

void Network::rotate_wireguard_key(KeyRotation::Done done) {
  if (auto can = check_key_can_change(); !can) return done(tl::unexpected(std::move(can).error()));
  rotation_.begin(*planes_.ours().host.wireguard, std::move(done));
}

// A peer that cannot learn the new key is cut off by it.
Result<void> Network::check_key_can_change() const {
  const auto refuse = [](std::string why) { return fail(ErrorKind::conflict, std::move(why)); };
  const Dataplane& ours = planes_.ours();
  if (!ours.host.wireguard) {
    return refuse("the backend of this host is " + ours.announced.type + ", which has no key");
  }
  if (leaves_ || !has_lease()) {
    return refuse("this host has no lease, by which peers would learn another key");
  }
  if (!parts_.follower.connected()) {
    return refuse(
        "the store cannot be reached, by which peers would learn another key; try again "
        "when it is back");
  }
  if (keeper().phase() != LeasePhase::active || announced_ != Announced{config_, underlay()}) {
    return refuse("the lease of this host is just being written, or cannot be; try again");
  }
  if (!overlay_.host_in_place()) {
    return refuse("the devices of this host are not in order; flannelctl status says why");
  }
  if (rotation_.is_under_way()) return refuse("the key is just being replaced");
  return {};
}

// Hosts of this project begin a handshake with a key that is new to them. What they begin does not
// reach a host behind a NAT.
bool Network::has_passive_peers() const {
  return std::ranges::any_of(values_of(underlay()), &UnderlayAddress::is_behind_nat) ||
         std::ranges::any_of(table().leases(), [](const auto& entry) {
           return !entry.second.lease->attributes.backend;
         });
}

Result<void> Network::use_keys(const WireguardIdentity& keys) {
  planes_.set_wireguard_keys(keys);
  overlay_.planes_changed();
  if (overlay_.host_in_place()) return {};
  return fail(ErrorKind::system,
              "the kernel does not give the device the other key; flannelctl status says why");
}

}  // namespace flannel
