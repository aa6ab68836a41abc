// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_candidate.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <tuple>
#include <utility>

namespace flannel {
namespace {

// Why packets cannot have this source; empty: they can.
std::string_view flaw(const InterfaceAddress& address) {
  const IpAddress& ip = address.ip;
  if (!ip.is_global_unicast() && !ip.is_link_local()) return "is no address of a host";
  if (address.deprecated) return "is deprecated";
  if (address.unproven) return "is not shown to be unique (tentative, dadfailed)";
  if (ip.is_v4()) return {};
  if (ip.is_link_local()) return "is link-local";
  return address.temporary ? "is temporary" : "";
}

// The source address of the host's own packets by this default route: its `src`, otherwise, as in
// Linux, the first primary address whose network contains the gateway.
std::optional<IpAddress> source_of(const DefaultRoute& route,
                                   const std::vector<InterfaceAddress>& usable) {
  for (const InterfaceAddress& address : usable) {
    const bool has_network = address.bits != address_bits(address.ip.family);
    if (route.source ? address.ip == *route.source
                     : !address.temporary && has_network && route.gateway &&
                           IpPrefix::of(address.ip, address.bits).contains(*route.gateway)) {
      return address.ip;
    }
  }
  return std::nullopt;
}

// " (fe80::1 is link-local)": the first address of the family and why it is not used, or nothing.
std::string why_none(const Interface& interface, Family family) {
  for (const InterfaceAddress& address : interface.addresses) {
    if (address.ip.family != family || flaw(address).empty()) continue;
    return fmt::format(" ({} {})", to_string(address.ip), flaw(address));
  }
  return {};
}

bool has(const Interface& interface, const IpAddress& ip) {
  return std::ranges::find(interface.addresses, ip, &InterfaceAddress::ip) !=
         interface.addresses.end();
}

}  // namespace

std::vector<Family> Question::wanted() const {
  std::vector<Family> families;
  for (const Family family : kFamilies) {
    if (wants(family)) families.push_back(family);
  }
  return families;
}

std::vector<InterfaceAddress> preferred_addresses(const HostView& host, const Interface& interface,
                                                  Family family) {
  std::vector<InterfaceAddress> usable;
  std::ranges::copy_if(interface.addresses, std::back_inserter(usable),
                       [family](const InterfaceAddress& address) {
                         return address.ip.family == family && flaw(address).empty();
                       });
  const auto is_wide = [](const InterfaceAddress& address) {
    return address.bits != address_bits(address.ip.family) && !address.ip.is_link_local();
  };
  const bool any_wide = std::ranges::any_of(usable, is_wide);
  const auto is_virtual = [&](const InterfaceAddress& address) {
    return any_wide && address.bits == address_bits(address.ip.family) &&
           (address.ip.is_v4() || address.permanent);
  };
  const auto route = std::ranges::find_if(host.default_routes, [&](const DefaultRoute& one) {
    return one.family == family && one.interface_index == interface.index;
  });
  const auto source = route == host.default_routes.end() ? std::nullopt : source_of(*route, usable);
  std::ranges::stable_sort(usable, {}, [&](const InterfaceAddress& address) {
    return std::tuple(address.ip.is_link_local(), address.ip.is_unique_local(),
                      source != address.ip, is_virtual(address), !address.permanent,
                      address.temporary);
  });
  return usable;
}

Result<IpAddress> best_address(const HostView& host, const Interface& interface, Family family) {
  if (family == Family::v6 && !host.has_ipv6) {
    return fail(ErrorKind::not_found,
                "this kernel has no IPv6: it was started with ipv6.disable=1, or the module ipv6 "
                "is missing");
  }
  const auto usable = preferred_addresses(host, interface, family);
  if (usable.empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("interface {} has no usable {} address{}", interface.name,
                            to_string(family), why_none(interface, family)));
  }
  return usable.front().ip;
}

const Interface* by_index(const HostView& host, int index) {
  const auto found = std::ranges::find(host.interfaces, index, &Interface::index);
  return found == host.interfaces.end() ? nullptr : &*found;
}

Result<Candidate> complete(const Question& question, Candidate candidate) {
  for (const Family family : question.wanted()) {
    if (candidate.addresses.contains(family)) continue;
    const auto announced = IpAddress::parse(question.request.announced(family));
    // An interface mostly has several IPv6 addresses, and the announced one may be any of them.
    const bool has_announced =
        family == Family::v6 && announced && has(*candidate.interface, *announced);
    const auto ip =
        has_announced ? announced : best_address(question.host, *candidate.interface, family);
    if (ip) {
      candidate.addresses.emplace(family, *ip);
    } else if (question.request.need(family) == Need::required) {
      return Failure(ip.error());
    } else {
      candidate.missing.emplace(family, ip.error().text);
    }
  }
  if (candidate.addresses.empty()) {
    return fail(ErrorKind::not_found, candidate.missing.begin()->second);
  }
  return candidate;
}

Result<const Interface*> owner_of(const HostView& host, const IpAddress& ip) {
  for (const Interface& interface : host.interfaces) {
    if (has(interface, ip)) return &interface;
  }
  return fail(ErrorKind::not_found, fmt::format("no interface has the address {}", to_string(ip)));
}

Result<Candidate> by_address(const Question& question, const IpAddress& ip) {
  const Interface* const interface = TRY(owner_of(question.host, ip));
  const auto at = std::ranges::find(interface->addresses, ip, &InterfaceAddress::ip);
  if (ip.is_v6() && !flaw(*at).empty()) {
    return fail(ErrorKind::invalid, fmt::format("{} {}", to_string(ip), flaw(*at)));
  }
  Candidate candidate{.interface = interface};
  if (question.wants(ip.family)) candidate.addresses.emplace(ip.family, ip);
  return complete(question, std::move(candidate));
}

}  // namespace flannel
