// SPDX-License-Identifier: Apache-2.0
// The part of Network that finds out what is wrong.
#include <fmt/format.h>

#include "backend/vxlan.h"
#include "base/log.h"
#include "base/problem_kinds.h"
#include "core/subnet_picking.h"
#include "daemon/network.h"

namespace flannel {
namespace {

void append(std::vector<Problem>& all, const std::vector<Problem>& some) {
  all.insert(all.end(), some.begin(), some.end());
}

}  // namespace

bool Network::ready() const {
  return ready_ && !withdrawn_ && overlay_.host_in_place() &&
         !any_critical(underlay_check_.problems()) && !any_critical(host_check_.problems());
}

void Network::append_problems(std::vector<Problem>& all) const {
  for (const auto& plane : planes_.all()) {
    if (plane->commands) plane->commands->append_problems(all);
    if (plane->keys) plane->keys->append_problems(all);
  }
  if (!lease_) return;
  append(all, underlay_check_.problems());
  append(all, host_check_.problems());
  if (config_.v6 && !has_ipv6_) {
    const std::string network = to_string(config_.v6->network);
    all.push_back(
        make_problem(kIpv6Missing, network,
                     "this kernel has no IPv6, so this host carries no packets of " + network));
  }
  append(all, network_check_.problems());
  append_lease_problems(all);
  feed_.append_problems(all);
  overlay_.append_problems(all);
  rotation_.append_problems(all);
  // Without an underlay or a device all peers are silent, and the reason has its own problem.
  const bool can_send = overlay_.host_in_place() && !any_critical(underlay_check_.problems());
  if (can_send) prober_.append_problems(all);
  for (const auto& plane : planes_.all()) {
    if (!plane->path || plane->path->trouble().empty()) continue;
    all.push_back(make_problem(kPacketPathDown, plane->path->device(), plane->path->trouble()));
  }
  if (options_.software_checksums) {
    for (const std::string& device : vxlan_devices()) {
      all.push_back(
          make_problem(kSoftwareChecksums, device,
                       "the kernel fills in the checksums of packets by " + device +
                           ", as flannelctl doctor --fix has asked, and not the network card"));
    }
  }
  if (parts_.rules) append(all, parts_.rules->problems());
  append(all, subnet_file_.problems());
}

std::vector<std::string> Network::vxlan_devices() const {
  std::vector<std::string> devices;
  for (const auto& plane : planes_.all()) {
    if (plane->announced.type != VxlanBackend::kType) continue;
    for (std::string& name : plane->device_names())
      devices.push_back(std::move(name));
  }
  return devices;
}

void Network::append_lease_problems(std::vector<Problem>& all) const {
  const bool is_awaited = !lease_->is_drained() && (withdrawn_ || !keeper().lease());
  if (is_awaited && !lease_->problem()) all.push_back(make_problem(kLeaseNone, "", "none yet"));
  lease_->append_problems(all);
  const auto& held = keeper().lease();
  if (!held) return;
  for (const IpPrefix& subnet : values_of(held->subnet))
    append_subnet_problems(subnet, all);
}

// A network that has shrunk or moved takes no subnet from a host.
void Network::append_subnet_problems(const IpPrefix& subnet, std::vector<Problem>& all) const {
  const std::string name = to_string(subnet);
  if (const AddressInUse* used = in_use_inside(subnet, network_check_.surroundings())) {
    all.push_back(make_problem(
        kSubnetInUse, name,
        fmt::format("our own subnet {} contains {}, {}, which containers of this host cut off",
                    name, to_string(used->ip), used->what),
        {{"file", options_.subnet_file}}));
  }
  const auto& range = config_.at(subnet.family());
  if (range && !range->network.contains(subnet)) {
    all.push_back(make_problem(
        kSubnetOutside, name,
        fmt::format("our subnet {} is outside of the network {}, which has changed; hosts that "
                    "start now do not reach it",
                    name, to_string(range->network)),
        {{"file", options_.subnet_file}}));
  }
}

void Network::name_unused_reservations(const Snapshot& snapshot) const {
  const HostIdentity us(public_ips_of(underlay()), options_.node);
  const auto records = decode_records(snapshot.records);
  for (const SubnetKey& subnet : reservations_without_effect(config_, records, us)) {
    log::warning(
        "the configuration does not allow the subnet that is reserved for this host; the "
        "reservation stays, another subnet is taken",
        {{"reserved", to_string(subnet)},
         {"cure", "flannelctl reserve another one, and unreserve this one"}});
  }
}

}  // namespace flannel
