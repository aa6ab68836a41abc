// SPDX-License-Identifier: Apache-2.0
#include "backend/peer_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "core/network_config.h"

namespace flannel {
namespace {

constexpr std::size_t kMostNamed = 10;

Result<void> check_links(IpAddress public_ip, const Surroundings& surroundings) {
  for (const LocalAddress& local : surroundings.local) {
    if (public_ip == local.ip) {
      return fail(ErrorKind::conflict, fmt::format("its PublicIP {} is our own, on {}",
                                                   to_string(public_ip), local.interface));
    }
    if (local.has_no_host(public_ip)) {
      return fail(ErrorKind::invalid,
                  fmt::format("its PublicIP {} is the {} address of the link of {}, and no host's",
                              to_string(public_ip), public_ip < local.ip ? "network" : "broadcast",
                              local.interface));
    }
  }
  return {};
}

}  // namespace

Result<void> check_peer(const Lease& own, const Lease& peer, const HostFacts& host,
                        std::string_view type) {
  const LeaseAttributes& announced = peer.attributes;
  if (announced.backend_type != type) {
    return fail(ErrorKind::unsupported,
                fmt::format("ignoring non-{} subnet: it announces the backend \"{}\"", type,
                            printable(shortened(announced.backend_type))));
  }
  if (peer.subnet.v4.overlaps(own.subnet.v4)) {
    return fail(ErrorKind::conflict, "it overlaps our own subnet " + to_string(own.subnet));
  }
  const IpAddress ip = announced.public_ip;
  if (ip == own.attributes.public_ip) {
    return fail(ErrorKind::conflict, "it announces our own public IP " + to_string(ip));
  }
  if (ip == host.underlay.v4->ip) {
    return fail(ErrorKind::conflict, "it announces our interface's address " + to_string(ip));
  }
  if (!ip.is_global_unicast() && !ip.is_link_local()) {
    return fail(ErrorKind::invalid, "its PublicIP " + to_string(ip) + " is no address of a host");
  }
  if (own.subnet.v4.contains(ip)) {
    return fail(ErrorKind::invalid, fmt::format("its PublicIP {} lies in our own subnet {}",
                                                to_string(ip), to_string(own.subnet)));
  }
  TRY(check_links(ip, host.surroundings));
  // The route would capture the encapsulated packets too.
  for (const IpAddress carrier : {ip, host.underlay.v4->ip}) {
    if (peer.subnet.v4.contains(carrier)) {
      return fail(ErrorKind::invalid, "its subnet contains " + to_string(carrier) +
                                          ", which is an address of the underlay");
    }
  }
  if (const AddressInUse* used = in_use_inside(peer.subnet.v4, host.surroundings)) {
    return fail(ErrorKind::conflict,
                fmt::format("its subnet contains {}, {}, which a route to it would cut off",
                            to_string(used->ip), used->what));
  }
  return {};
}

void append_unknown_options(const JsonObject& json, std::vector<std::string>& warnings) {
  const std::vector<std::string> unknown = json.unknown_keys();
  for (std::size_t i = 0; i < std::min(unknown.size(), kMostNamed); ++i) {
    const std::string& key = unknown[i];
    const auto meant = json.meant_by(key);
    std::string advice;
    if (is_network_key(key)) {
      advice = "; it belongs beside Backend, not into it";
    } else if (meant) {
      advice = fmt::format("; did you mean {}?", *meant);
    }
    warnings.push_back(
        fmt::format("unknown option {} has no effect{}", word_or_quoted(shortened(key)), advice));
  }
  if (unknown.size() > kMostNamed) {
    warnings.push_back(
        fmt::format("{} more unknown options have no effect", unknown.size() - kMostNamed));
  }
}

}  // namespace flannel
