// SPDX-License-Identifier: Apache-2.0
// The part of Network that gives this host another WireGuard key.
#include <utility>

#include "backend/wireguard.h"
#include "base/log.h"
#include "daemon/network.h"

namespace flannel {
namespace {

// Between two attempts to leave a key to another host, in case the key cannot be replaced.
constexpr auto kLeavePause = std::chrono::minutes(1);

}  // namespace

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

// A copy of a host, as of a machine image with a key file, has the key of the original. The younger
// of two leases is that of the copy, which takes another key before it can do any harm.
void Network::leave_key_to_older_host() {
  if (parts_.loop.now() < leave_key_at_) return;
  if (!own_ || !lease_ || !planes_.ours().host.wireguard || !check_key_can_change()) return;
  const ListedLease* own = table().find(own_->subnet);
  if (own == nullptr || !identity().owns(own->lease)) return;
  for (const Shared<Lease>& other :
       overlay_.key_owners().with(planes_.ours().host.wireguard->key)) {
    const ListedLease* theirs = table().find(other->subnet);
    if (theirs == nullptr || identity().owns(other) || !(theirs->age() < own->age())) continue;
    leave_key_at_ = parts_.loop.now() + kLeavePause;
    log::warning(
        "an older lease of another host has our WireGuard key, which this host leaves to it",
        {{"its_public_ip", to_string(other->attributes.public_ips())},
         {"its_subnet", to_string(other->subnet)},
         {"note", "a template of machines should have no wireguard-key file"}});
    return rotate_wireguard_key([this](const Result<RotatedKey>& left) { on_key_left(left); });
  }
}

void Network::on_key_left(const Result<RotatedKey>& left) {
  if (left) return;
  const bool is_given = left.error().kind == ErrorKind::conflict;
  if (is_given) leave_key_at_ = kNever;  // it stays until the operator starts another process
  log::error(is_given
                 ? "this host cannot leave its WireGuard key to the other host by itself; peers "
                   "send to one of the two only"
                 : "this host has not left its WireGuard key to the other host, trying again",
             {{"why", left.error().text}});
}

Result<void> Network::use_keys(const WireguardIdentity& keys) {
  planes_.set_wireguard_keys(keys);
  overlay_.planes_changed();
  if (overlay_.host_in_place()) return {};
  return fail(ErrorKind::system,
              "the kernel does not give the device the other key; flannelctl status says why");
}

}  // namespace flannel
