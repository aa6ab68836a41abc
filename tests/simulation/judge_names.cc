// SPDX-License-Identifier: Apache-2.0
// Judge: node ids and VTEP MACs. Each is one host's, the older lease keeps it, and no packet for a
// peer goes to another host because the two share a MAC.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "simulation/claims.h"
#include "simulation/expected_peers.h"
#include "simulation/judge.h"

namespace flannel::simulation {

// A host whose daemon has begun with other families than its lease had, and no common one, is known
// by its node id alone, as one that has another address. A keeper that runs knows its lease.
void Judge::lose_name_with_families(Host& host) const {
  const NetworkConfig* config = host.running() ? host.process().config() : nullptr;
  if (config == nullptr || !host.last_subnet || host.subnet_since_start) return;
  const bool any = std::ranges::any_of(
      kFamilies, [&](Family family) { return config->at(family) && host.last_subnet->at(family); });
  if (any) return;
  host.last_subnet.reset();
  host.lose_address();
  ++host.addresses;
  host.unsure_until = std::max(host.unsure_until, timeline_.now() + std::chrono::minutes(60));
}

// A host leaves its node id and MACs only to a host that had one of them before.
void Judge::judge_left_name(Host& host) const {
  if (!host.left_name) return;
  const std::string id = to_string(*std::exchange(host.left_name, std::nullopt));
  // Before it has its lease it knows a record under another address by its node id alone.
  const Record* record =
      host.last_subnet ? store_.find(encode_subnet_key(*host.last_subnet)) : nullptr;
  const auto says = record ? decode_lease_value(record->value)
                           : Result<LeaseAttributes>(fail(ErrorKind::not_found, "none"));
  if (says && name_of(*says) != host.public_ip && !host.subnet_since_start) host.lose_address();
  const Claims& claims = store_.claims();
  TimePoint since = host.last_vteps.empty() ? TimePoint() : kNever;
  for (const auto& [family, last] : host.last_vteps)
    since = std::min(since, last.since);
  // A lease that is being exchanged for one with vxlan has a MAC of the former name for a moment.
  host.left_vteps.insert(kFamilies.begin(), kFamilies.end());
  // A record of its own protects nothing if it is in no network of its configuration, and is to be
  // exchanged, or if an older record has one of its subnets.
  const auto unused = keys_unused(host, store_.snapshot());
  if (claims.had_to_be_left(id, host.first_ip(), since, unused)) return;
  // A host that has lost its node id, its boot and its subnet file takes an older record of its own
  // for one of another node with its address, and takes a record that names no node for its own.
  const auto not_ours = expected_peers(host, store_.snapshot()).our_ip_by_other_node;
  for (const auto& [family, last] : host.last_vteps) {
    if (claims.had_to_be_left(last.vtep, host.first_ip(), last.since, not_ours)) return;
  }
  for (const auto& [family, former] : host.former_vteps) {
    if (claims.had_to_be_left(former.vtep, host.first_ip(), former.since, not_ours)) return;
  }
  // What it wrote under another address and boot looks like a copy's.
  const bool is_unsure = host.unsure_until >= timeline_.now() ||
                         timeline_.now() - host.booted_at < std::chrono::minutes(60);
  if (host.addresses > 1 && is_unsure) return;
  violation_(fmt::format("{} leaves its node id {} to nobody who had that, or its MAC, before",
                         host.name(), id));
}

// It announces one MAC of each family for as long as its record can tell it which.
void Judge::judge_vteps(Host& host, bool another_subnet) const {
  const auto lease = host.lease();
  if (!lease) return;
  for (const Family family : kFamilies) {
    // Without an address of its own, a family announces the MAC of the other one.
    const bool has_address = lease->attributes.public_ips().at(family).has_value();
    const std::string vtep = has_address ? vtep_of(lease->attributes, family) : "";
    if (!vtep.empty()) {
      Host::LastVtep& last = host.last_vteps[family];
      // The device of another port has a MAC of its own, beside that of before.
      const bool another_device =
          std::exchange(last.backend, lease->attributes.backend) != lease->attributes.backend;
      judge_vtep(host, family, vtep, another_subnet || another_device);
    } else if (!has_address || !lease->subnet.at(family) ||
               lease->attributes.backend_type != "vxlan") {
      auto gone = host.last_vteps.extract(family);
      if (!gone.empty()) host.former_vteps[family] = std::move(gone.mapped());
    }
  }
}

void Judge::judge_vtep(Host& host, Family family, const std::string& vtep,
                       bool another_subnet) const {
  Host::LastVtep& last = host.last_vteps[family];
  if (!last.vtep.empty() && last.vtep != vtep) {
    const bool fresh = last.at < host.started_at;
    const bool forgotten =
        fresh && (host.unsure_until >= host.started_at ||
                  !store_.claims().was_kept(last.vtep, host.first_ip(), last.at,
                                            unrecognised(host, store_.snapshot())));
    if (!another_subnet && !host.left_vteps.contains(family) && !forgotten) {
      violation_(fmt::format("{} announced the MAC {} and announces {} now, for no cause",
                             host.name(), last.vtep, vtep));
    }
    host.left_vteps.erase(family);
  }
  if (last.vtep != vtep) last.since = timeline_.now();
  last.vtep = vtep;
  last.at = timeline_.now();
}

namespace {

// A device of a backend that the daemon had before it was started again has none.
bool routes_by(const NetState& kernel, const IpPrefix& subnet, const std::string& link) {
  return std::ranges::any_of(
      kernel.routes, [&](const Route& route) { return route.to == subnet && route.link == link; });
}

}  // namespace

// What its kernel does with packets to the subnets of peers.
void Judge::judge_ways(const Host& host) const {
  const NetState& kernel = host.kernel.state();
  if (!host.lease() || kernel.fdb.empty()) return;  // or not its work yet
  const std::vector<Neighbour> used = neighbours(host);
  std::map<std::pair<std::string, Mac>, IpAddress> remotes;
  for (const FdbEntry& entry : kernel.fdb)
    remotes.emplace(std::pair(entry.link, entry.mac), entry.remote);
  const auto& peers = host.process().peers();
  // A lease of its own that a restored store brings back is no peer's, and goes at once.
  const auto is_own = [&](const auto& peer) {
    return store_.owner_of(peer.second.lease->attributes) == host.first_ip();
  };
  const auto is_of_own = [&](const IpAddress& remote) {
    return std::ranges::any_of(peers, [&](const auto& peer) {
      return is_own(peer) && peer.second.lease->attributes.public_ips().shared_with(remote);
    });
  };
  for (const auto& [subnets, listed] : peers) {
    if (is_own(std::pair(subnets, listed))) continue;
    for (const IpPrefix& subnet : values_of(subnets)) {
      const auto way = std::ranges::find(used, subnet.base, &Neighbour::ip);
      if (way == used.end() || !routes_by(kernel, subnet, way->link)) continue;
      const auto remote = remotes.find({way->link, way->mac});
      const PublicIps peer = listed.lease->attributes.public_ips();
      if (remote == remotes.end() || peer.shared_with(remote->second)) continue;
      if (is_of_own(remote->second)) continue;
      violation_(fmt::format("{} sends what is for {} at {} to {}, which has the same MAC",
                             host.name(), to_string(subnet), to_string(peer),
                             to_string(remote->second)));
    }
  }
}

// For long enough that one of the two has heard of it, and taken another node id.
bool Judge::is_copied(const Host& host) const {
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& other) {
    return other.get() != &host && other->gone && other->node_id == host.node_id;
  });
}

// A reservation for its address, at another key with a subnet of its lease: it is older, perhaps,
// and the host takes it for its own, whatever its node.
bool Judge::has_reservation(const Host& host) const {
  const auto records = store_.snapshot().records;
  return std::ranges::any_of(records, [&](const Record& record) {
    const auto key = decode_subnet_key(record.key);
    const auto says = decode_lease_value(record.value);
    return key && says && !record.expires() && *key != host.lease()->subnet &&
           key->shares_subnet_with(host.lease()->subnet) &&
           says->public_ips().shared_with(host.ips());
  });
}

// True if a record names the node id of the host. Hosts know of each other by records alone.
bool Judge::has_record(const Host& host) const {
  const auto records = store_.snapshot().records;
  return std::any_of(records.begin(), records.end(), [&](const Record& record) {
    const auto lease = decode_lease_value(record.value);
    return lease && lease->node && lease->node->id == host.node_id;
  });
}

namespace {

// Hosts whose networks have no family in common, because one of them follows no change of the
// configuration, do not use each other's records.
bool use_each_other(const Host& one, const Host& other) {
  const NetworkConfig* ours = one.running() ? one.process().config() : nullptr;
  const NetworkConfig* theirs = other.running() ? other.process().config() : nullptr;
  if (ours == nullptr || theirs == nullptr) return true;
  return std::ranges::any_of(kFamilies,
                             [&](Family family) { return ours->at(family) && theirs->at(family); });
}

}  // namespace

// No two hosts that run have one node id, if a record tells them, or one VTEP MAC.
void Judge::judge_name(const Host& host) const {
  if (host.daemon != Host::Daemon::whole) return;
  const auto have_one_vtep = [](const Host& one, const Host& other) {
    if (!one.believes_to_hold() || !other.believes_to_hold()) return false;
    return std::ranges::any_of(kFamilies, [&](Family family) {
      const std::string vtep = vtep_of(one.lease()->attributes, family);
      return !vtep.empty() && vtep == vtep_of(other.lease()->attributes, family);
    });
  };
  for (const auto& other : hosts_) {
    if (other.get() == &host || other->gone) continue;
    const bool drained = host.drained || other->drained;  // its name need not be its own meanwhile
    if (other->node_id == host.node_id && has_record(host) && !drained &&
        use_each_other(host, *other)) {
      violation_(fmt::format("{} and {} have one node id still", host.name(), other->name()));
    }
    if (have_one_vtep(host, *other)) {
      violation_(fmt::format("{} and {} have one VTEP MAC still", host.name(), other->name()));
    }
  }
}

// Records that are set aside because two hosts cannot be told apart are named, with the reason.
void Judge::judge_alarms(const Host& host, const ExpectedPeers& expected) const {
  std::set<std::string> same_mac;
  std::set<std::string> our_ip_by_other_node;
  for (const auto& [key, record] : host.process().table()->quarantined()) {
    if (record.kind == QuarantineKind::same_mac) same_mac.insert(key);
    if (record.kind == QuarantineKind::our_ip_by_other_node) our_ip_by_other_node.insert(key);
  }
  if (same_mac != expected.same_mac) {
    violation_(fmt::format("{} names [{}] for their MACs, and not [{}]", host.name(),
                           fmt::join(same_mac, " "), fmt::join(expected.same_mac, " ")));
  }
  if (our_ip_by_other_node != expected.our_ip_by_other_node) {
    violation_(fmt::format("{} names [{}] for its public IP, and not [{}]", host.name(),
                           fmt::join(our_ip_by_other_node, " "),
                           fmt::join(expected.our_ip_by_other_node, " ")));
  }
}

// Those of its complaints that are no fault of the host's are left out; they have to be there.
std::vector<std::string> Judge::unexpected(const Host& host, const ExpectedPeers& expected,
                                           std::vector<std::string> troubles) const {
  const auto take = [&](const std::string& words) {
    return std::erase_if(
        troubles, [&](const std::string& line) { return line.find(words) != std::string::npos; });
  };
  // It says so rightly, if it is, or had another address and boot before.
  if (is_copied(host) || host.addresses > 1) take("is a copy of the other, and has");
  if (!expected.same_mac.empty() && take("announces the VTEP MAC") == 0) {
    violation_(host.name() + " complains of no MAC, though two hosts have one");
  }
  if (!expected.our_ip_by_other_node.empty() && take("is our own, but node") == 0) {
    violation_(host.name() + " does not say that its address is another's as well");
  }
  // The operator made the network smaller while the host was away.
  const auto lease = host.lease();
  const bool is_outside = lease && std::ranges::any_of(kFamilies, [&](Family family) {
                            const auto& subnet = lease->subnet.at(family);
                            const auto& range = host.process().config()->at(family);
                            return subnet && range && !range->network.contains(*subnet);
                          });
  if (is_outside) take("is outside of the network");
  if (lease && !expected_rows(host, expected).all_reached) {
    take("ignoring non-");  // backends, in one family or in all
    take("no public ");
    take("this host has no subnet of its family");
    take("it overlaps our own subnet");
    take(" is outside of the network ");
    take("more like these");
  }
  return troubles;
}

}  // namespace flannel::simulation
