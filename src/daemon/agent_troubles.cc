// SPDX-License-Identifier: Apache-2.0
// The part of Agent that describes problems in sentences for /readyz and the service manager.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "core/subnet_picking.h"
#include "daemon/agent.h"
#include "daemon/trouble_log.h"

namespace flannel {
namespace {

// Appends the first few problems of one kind, and the number of the others.
void append_some(std::vector<std::string>& all, const std::vector<std::string>& kind,
                 std::size_t more, std::string_view what) {
  constexpr std::size_t kMost = 10;
  for (std::size_t i = 0; i < std::min(kMost, kind.size()); ++i)
    all.push_back(kind[i]);
  more += kind.size() > kMost ? kind.size() - kMost : 0;
  if (more > 0) all.push_back(fmt::format("{}: {} more like these", what, more));
}

// A network that has shrunk or moved takes no subnet from a host.
void name_subnets_outside(const Lease& held, const NetworkConfig& config, const std::string& file,
                          std::vector<std::string>& all) {
  for (const IpPrefix& subnet : values_of(held.subnet)) {
    const auto& range = config.at(subnet.family());
    if (!range || range->network.contains(subnet)) continue;
    all.push_back(fmt::format(
        "lease: our subnet {} is outside of the network {}, which has changed; hosts that start "
        "now do not reach it: stop flanneld, delete the lease from the store and {}, start it "
        "again, and restart the containers",
        to_string(subnet), to_string(range->network), file));
  }
}

}  // namespace

bool Agent::ready() const {
  return ready_ && session_->overlay->host_in_place() &&
         !nothing_passes(session_->underlay_check->troubles()) &&
         !nothing_passes(session_->host_check->troubles());
}

std::vector<std::string> Agent::troubles() const {
  std::vector<std::string> all;
  if (!follower_.connected()) {
    const std::string& why = follower_.last_error();
    all.push_back(why.empty() ? "store: not connected yet" : "store: " + why);
  }
  if (const std::string move = move_.trouble(); !move.empty()) all.push_back("store: " + move);
  if (!config_trouble_.empty()) all.push_back("config: " + config_trouble_);
  if (session_) {
    for (const HostTrouble& trouble : session_->underlay_check->troubles())
      all.push_back("underlay: " + trouble.text);
    for (const HostTrouble& trouble : session_->host_check->troubles())
      all.push_back("host: " + trouble.text);
    if (session_->config.v6 && !session_->carried.v6) {
      all.push_back(
          fmt::format("host: this kernel has no IPv6 (it was started with ipv6.disable=1, or the "
                      "module ipv6 is missing), so this host carries no packets of {}",
                      to_string(session_->config.v6->network)));
    }
    for (const std::string& trouble : session_->network_check->troubles())
      all.push_back("network: " + trouble);
    lease_troubles(all);
    peer_troubles(all);
    if (!kernel_trouble_.empty()) all.push_back("kernel: " + kernel_trouble_);
    for (const auto& plane : session_->planes->all()) {
      if (!plane->path || plane->path->trouble().empty()) continue;
      all.push_back("packet path: " + plane->path->trouble());
    }
    const std::string taken = session_->overlay->network_trouble();
    if (!taken.empty()) all.push_back("kernel: " + taken);
    std::vector<std::string> unmet;
    for (const auto& [object, why] : session_->overlay->unmet())
      unmet.push_back("kernel: " + object + ": " + why);
    append_some(all, unmet, session_->overlay->more_unmet(), "kernel");
  }
  if (parts_.rules && !parts_.rules->trouble().empty()) {
    all.push_back("packet filter: " + parts_.rules->trouble());
  }
  if (!file_trouble_.empty()) all.push_back("subnet file: " + file_trouble_);
  return all;
}

// Appends one sentence for any number of peers; /readyz?verbose names more of them.
void Agent::peer_troubles(std::vector<std::string>& all) const {
  const auto& unreachable = session_->overlay->unreachable().named();
  std::size_t count = session_->overlay->unreachable().more();
  const std::pair<const std::string, std::string>* first = nullptr;
  for (const auto& peer : unreachable) {
    if (peer.second == Overlay::kOurOwn) continue;
    ++count;
    if (first == nullptr) first = &peer;
  }
  if (first == nullptr) return;
  const std::string more = count > 1 ? fmt::format(", and {} more", count - 1) : std::string();
  all.push_back(
      fmt::format("peers: {} cannot be reached: {}{}", first->first, first->second, more));
}

void Agent::lease_troubles(std::vector<std::string>& all) const {
  const std::string& lease = session_->lease->trouble();
  const std::string renewal = session_->lease->renewal_trouble();
  if (!lease.empty()) {
    all.push_back("lease: " + lease);
  } else if (!session_->lease->keeper().lease()) {
    all.emplace_back("lease: none yet");
  } else if (!renewal.empty()) {
    all.push_back("lease: " + renewal);
  }
  const auto& held = session_->lease->keeper().lease();
  const Surroundings& around = session_->network_check->surroundings();
  for (const Family family : kFamilies) {
    const auto& subnet = held ? held->subnet.at(family) : std::nullopt;
    const AddressInUse* used = subnet ? in_use_inside(*subnet, around) : nullptr;
    if (used == nullptr) continue;
    all.push_back(fmt::format(
        "lease: our own subnet {} contains {}, {}, which containers of this host cut off; stop "
        "flanneld, delete the lease from the store and {}, and start it again",
        to_string(*subnet), to_string(used->ip), used->what, options_.subnet_file));
  }
  if (held) name_subnets_outside(*held, session_->config, options_.subnet_file, all);
  std::vector<std::string> copies;
  for (const auto& [subnet, copy] : session_->feed->copies()) {
    copies.push_back(
        fmt::format("lease: {} at {} has our node id: one of the two is a copy of the other, and "
                    "has to take another id (delete its node-id file if it does not)",
                    to_string(copy.attributes.public_ips()), to_string(subnet)));
  }
  append_some(all, copies, 0, "lease");
  std::vector<std::string> quarantined;
  for (const auto& [key, record] : session_->feed->peers().table().quarantined()) {
    if (!record.is_alarm()) continue;
    quarantined.push_back("lease: " + key + ": " + record.reason);
  }
  append_some(all, quarantined, 0, "lease");
  if (const std::size_t suspected = session_->feed->peers().suspected(); suspected > 0) {
    all.push_back(fmt::format("peers: {} went from the store at once and stay until a second list",
                              suspected));
  }
}

void Agent::name_unused_reservations(const Snapshot& snapshot) const {
  const HostIdentity us(public_ips_of(session_->underlay()), options_.node);
  const auto records = decode_records(snapshot.records);
  for (const SubnetKey& subnet : reservations_without_effect(session_->config, records, us)) {
    log::warning(
        "the configuration does not allow the subnet that is reserved for this host; the "
        "reservation stays, another subnet is taken",
        {{"reserved", to_string(subnet)},
         {"cure", "flannelctl reserve another one, and unreserve this one"}});
  }
}

}  // namespace flannel
