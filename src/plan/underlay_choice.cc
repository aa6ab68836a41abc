// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_choice.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "base/printable.h"

namespace flannel {
namespace {

// An interface, and the one of its addresses that is the source of our packets.
struct Candidate {
  const Interface* interface = nullptr;
  IpAddress ip;
};

bool is_usable(const InterfaceAddress& address) {
  const bool unicast = address.ip.is_global_unicast() || address.ip.is_link_local();
  return unicast && !address.deprecated;
}

// The source address of the host's own packets by this default route: its `src`, otherwise, as in
// Linux, the first primary address whose network contains the gateway.
std::optional<IpAddress> source_of(const DefaultRoute& route, const Interface& interface) {
  for (const InterfaceAddress& address : interface.addresses) {
    if (!is_usable(address)) continue;
    if (route.source ? address.ip == *route.source
                     : !address.temporary && address.bits != 32 && route.gateway &&
                           IpPrefix::of(address.ip, address.bits).contains(*route.gateway)) {
      return address.ip;
    }
  }
  return std::nullopt;
}

// The usable addresses, the best first: global before link-local; the source of the default route
// before others; wider addresses before /32, because a /32 beside a wider address is mostly a
// virtual one, which moves to another host; then, as upstream, permanent before leased and stable
// before temporary. Deprecated addresses and those that cannot be a host's are left out.
std::vector<InterfaceAddress> preferred(const HostView& host, const Interface& interface) {
  std::vector<InterfaceAddress> usable;
  std::ranges::copy_if(interface.addresses, std::back_inserter(usable), is_usable);
  const bool any_wide = std::ranges::any_of(usable, [](const InterfaceAddress& address) {
    return address.bits != 32 && !address.ip.is_link_local();
  });
  const auto route = std::ranges::find(host.default_routes, std::optional(interface.index),
                                       &DefaultRoute::interface_index);
  const auto source =
      route == host.default_routes.end() ? std::nullopt : source_of(*route, interface);
  std::ranges::stable_sort(usable, {}, [&](const InterfaceAddress& address) {
    return std::tuple(address.ip.is_link_local(), source != address.ip,
                      any_wide && address.bits == 32, !address.permanent, address.temporary);
  });
  return usable;
}

Result<Candidate> best_address(const HostView& host, const Interface& interface) {
  const auto usable = preferred(host, interface);
  if (usable.empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("interface {} has no usable IPv4 address", interface.name));
  }
  return Candidate{&interface, usable.front().ip};
}

const Interface* by_index(const HostView& host, int index) {
  const auto found = std::ranges::find(host.interfaces, index, &Interface::index);
  return found == host.interfaces.end() ? nullptr : &*found;
}

Result<Candidate> owner_of(const HostView& host, IpAddress ip) {
  for (const Interface& interface : host.interfaces) {
    if (std::ranges::find(interface.addresses, ip, &InterfaceAddress::ip) !=
        interface.addresses.end()) {
      return Candidate{&interface, ip};
    }
  }
  return fail(ErrorKind::not_found, fmt::format("no interface has the address {}", to_string(ip)));
}

// ", this host has eth0, eth1": a suffix for the message that an interface was not found.
std::string what_there_is(const HostView& host) {
  constexpr std::size_t kMostNamed = 8;
  std::vector<std::string> names;
  for (const Interface& interface : host.interfaces) {
    if (interface.name != "lo") names.push_back(printable(interface.name));
  }
  if (names.empty()) return ", this host has none but lo";
  const std::size_t named = std::min(names.size(), kMostNamed);
  const auto shown = std::span(names).first(named);
  return fmt::format(", this host has {}{}", fmt::join(shown, ", "),
                     named < names.size() ? " and more" : "");
}

Result<Candidate> by_default_route(const HostView& host);

// --iface: a local address or an interface's exact name. An empty text, as from an unset variable
// in a manifest, means the default route, as in upstream.
Result<Candidate> by_name_or_address(const HostView& host, const std::string& text) {
  if (text.empty()) return by_default_route(host);
  if (IpAddress::parse_v6(text)) {
    return fail(ErrorKind::unsupported, "an IPv6 underlay is not part of this release");
  }
  if (const auto ip = IpAddress::parse_v4(text)) return owner_of(host, *ip);
  const auto found = std::ranges::find(host.interfaces, text, &Interface::name);
  if (found != host.interfaces.end()) return best_address(host, *found);
  return fail(ErrorKind::not_found, fmt::format("there is no interface called \"{}\"{}",
                                                printable(text), what_there_is(host)));
}

// --iface-regex: any address of any interface in the kernel's order, then any name.
Result<Candidate> by_regex(const HostView& host, const std::string& text) {
  TRY(check_interface_regex(text));
  const RE2 pattern(text, RE2::Quiet);
  for (const Interface& interface : host.interfaces) {
    for (const InterfaceAddress& address : preferred(host, interface)) {
      if (RE2::PartialMatch(to_string(address.ip), pattern)) {
        return Candidate{&interface, address.ip};
      }
    }
  }
  for (const Interface& interface : host.interfaces) {
    if (RE2::PartialMatch(interface.name, pattern)) return best_address(host, interface);
  }
  return fail(ErrorKind::not_found,
              "it matches no address and no name of an interface" + what_there_is(host));
}

// --iface-can-reach: the interface by which a packet to that address would leave.
Result<Candidate> by_reach(const HostView& host, const std::string& text) {
  const IpAddress target = TRY(IpAddress::parse_v4(text));
  // A manifest names one address for all hosts, and one of the hosts may have this address itself.
  // That host's route to it leaves by the loopback interface, which is no underlay.
  if (const auto own = owner_of(host, target)) return *own;
  const RouteLookup path = TRY(host.lookup_route(target));
  const Interface* const interface = by_index(host, path.interface_index);
  if (interface == nullptr || path.source.is_unspecified()) {
    return fail(ErrorKind::not_found, "the route to it has no interface or no source address");
  }
  return Candidate{interface, path.source};
}

std::string no_default_route(const HostView& host) {
  const bool any_ip4 = std::ranges::any_of(host.interfaces, [&](const Interface& interface) {
    return !preferred(host, interface).empty();
  });
  return any_ip4 ? "Unable to find default route: name the interface with --iface"
                 : "this host has no IPv4 address but loopback's; the underlay has to be IPv4";
}

// The first default route whose interface has a carrier; the first of all if none has.
const DefaultRoute& best_route(const HostView& host) {
  const auto carrying = std::ranges::find_if(host.default_routes, [&](const DefaultRoute& route) {
    const Interface* const interface = by_index(host, route.interface_index.value_or(0));
    return !route.interface_index || (interface != nullptr && interface->carrier);
  });
  return carrying == host.default_routes.end() ? host.default_routes.front() : *carrying;
}

// The best candidate that is not link-local. A default route with a link-local source is a dummy,
// as on hosts that reach no other network.
std::optional<Candidate> beside_link_local(const HostView& host) {
  for (const Interface& interface : host.interfaces) {
    if (!interface.up || !interface.carrier) continue;
    const auto best = best_address(host, interface);
    if (best && !best->ip.is_link_local()) return *best;
  }
  return std::nullopt;
}

Result<Candidate> by_default_route(const HostView& host) {
  if (host.default_routes.empty()) return fail(ErrorKind::not_found, no_default_route(host));
  const auto& index = best_route(host).interface_index;
  if (!index) {
    return fail(ErrorKind::invalid,
                "the default route has several next hops: name the interface with --iface");
  }
  const Interface* const interface = by_index(host, *index);
  if (interface == nullptr) {
    return fail(ErrorKind::not_found,
                fmt::format("the default route's interface (index {}) is gone", *index));
  }
  auto best = best_address(host, *interface);
  if (best && best->ip.is_link_local()) return beside_link_local(host).value_or(*best);
  return best;
}

// Tries the options of the request in upstream's order, and records the reasons.
class Search {
 public:
  Search(const HostView& host, std::vector<std::string>& reasons)
      : host_(host), reasons_(reasons) {}

  using Lookup = Result<Candidate> (*)(const HostView&, const std::string&);

  void try_each(const std::vector<std::string>& texts, std::string_view flag, Lookup lookup) {
    for (const std::string& text : texts) {
      if (found_) return;
      auto candidate = lookup(host_, text);
      if (candidate && candidate->interface->mtu == 0) {
        candidate = fail(ErrorKind::invalid,
                         fmt::format("interface {} has no MTU", candidate->interface->name));
      }
      if (candidate) {
        found_ = *candidate;
        chose(fmt::format("{}={}", flag, printable(text)));
      } else {
        failures_.insert(candidate.error().kind);
        reasons_.push_back(fmt::format("Could not find valid interface matching {}: {}",
                                       printable(text), candidate.error().text));
      }
    }
  }

  void chose(std::string_view why) {
    reasons_.push_back(fmt::format("Using interface with name {} and address {}: {}{}",
                                   found_->interface->name, to_string(found_->ip), why,
                                   state_of(*found_->interface)));
  }

  const std::optional<Candidate>& found() const { return found_; }
  // The kind of all failures; not_found if the kinds differ, because a later attempt may find an
  // interface.
  ErrorKind failure() const {
    return failures_.size() == 1 ? *failures_.begin() : ErrorKind::not_found;
  }
  void take(const Candidate& candidate) { found_ = candidate; }

 private:
  static std::string_view state_of(const Interface& interface) {
    if (!interface.up) return " (it is down)";
    return interface.carrier ? "" : " (it has no carrier)";
  }

  const HostView& host_;
  std::vector<std::string>& reasons_;
  std::optional<Candidate> found_;
  std::set<ErrorKind> failures_;
};

Result<Candidate> find(const UnderlayRequest& request, const HostView& host,
                       std::vector<std::string>& reasons) {
  Search search(host, reasons);
  const bool named =
      !request.interfaces.empty() || !request.regexes.empty() || !request.can_reach.empty();
  if (named) {
    search.try_each(request.interfaces, "--iface", by_name_or_address);
    search.try_each(request.regexes, "--iface-regex", by_regex);
    if (!request.can_reach.empty()) {
      search.try_each({request.can_reach}, "--iface-can-reach", by_reach);
    }
    if (search.found()) return *search.found();
    return fail(search.failure(),
                fmt::format("Failed to find interface to use that matches the interfaces and/or "
                            "regexes provided: {}",
                            fmt::join(reasons, "; ")));
  }
  if (!request.public_ip.empty()) {
    search.try_each({request.public_ip}, "--public-ip", by_name_or_address);
    if (search.found()) return *search.found();
    return fail(ErrorKind::not_found,
                fmt::format("Failed to find any valid interface to use: --public-ip alone must be "
                            "an address of this host; behind NAT name the interface with --iface "
                            "too ({})",
                            fmt::join(reasons, "; ")));
  }
  const Candidate found =
      TRY_DURING(by_default_route(host), "Failed to find any valid interface to use");
  search.take(found);
  const bool has_route =
      std::ranges::find(host.default_routes, std::optional(found.interface->index),
                        &DefaultRoute::interface_index) != host.default_routes.end();
  search.chose(has_route ? "it has the default route"
                         : "the interface of the default route has a link-local address only");
  return *search.found();
}

}  // namespace

Result<UnderlayChoice> choose_underlay(const UnderlayRequest& request, const HostView& host) {
  UnderlayChoice choice;
  std::optional<IpAddress> announced;
  if (IpAddress::parse_v6(request.public_ip)) {
    return fail(ErrorKind::unsupported,
                "--public-ip: an IPv6 address is not part of this release; give an IPv4 address");
  }
  if (!request.public_ip.empty()) {
    announced = TRY_DURING(IpAddress::parse_v4(request.public_ip), "--public-ip");
  }
  const Candidate found = TRY(find(request, host, choice.reasons));
  if (found.interface->mtu == 0) {
    return fail(ErrorKind::invalid, fmt::format("interface {} has no MTU", found.interface->name));
  }
  choice.underlay = {.interface = found.interface->name,
                     .interface_index = found.interface->index,
                     .mtu = found.interface->mtu,
                     .v4 = UnderlayAddress{found.ip, announced.value_or(found.ip)}};
  choice.reasons.push_back(
      announced ? fmt::format("Using {} as external address", to_string(*announced))
                : fmt::format("Defaulting external address to interface address ({})",
                              to_string(found.ip)));
  return choice;
}

Result<void> check_interface_regex(const std::string& text) {
  const RE2 pattern(text, RE2::Quiet);
  if (pattern.ok()) return {};
  return fail(ErrorKind::invalid, "not a regular expression: " + pattern.error());
}

}  // namespace flannel
