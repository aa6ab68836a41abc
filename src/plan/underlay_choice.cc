// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_choice.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/printable.h"

namespace flannel {
namespace {

// An interface and the one of its addresses that packets will leave from.
struct Candidate {
  const Interface* interface = nullptr;
  Ip4 ip;
};

// Upstream's order: global before link-local, permanent before leased, stable before temporary;
// addresses that are deprecated or no host's own are no candidates.
std::vector<InterfaceAddress> preferred(const Interface& interface) {
  std::vector<InterfaceAddress> usable;
  for (const InterfaceAddress& address : interface.addresses) {
    const bool unicast = address.ip.is_global_unicast() || address.ip.is_link_local();
    if (unicast && !address.deprecated) usable.push_back(address);
  }
  std::ranges::stable_sort(usable, {}, [](const InterfaceAddress& address) {
    return std::tuple(address.ip.is_link_local(), !address.permanent, address.temporary);
  });
  return usable;
}

Result<Candidate> best_address(const Interface& interface) {
  const auto usable = preferred(interface);
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

Result<Candidate> owner_of(const HostView& host, Ip4 ip) {
  for (const Interface& interface : host.interfaces) {
    if (std::ranges::find(interface.addresses, ip, &InterfaceAddress::ip) !=
        interface.addresses.end()) {
      return Candidate{&interface, ip};
    }
  }
  return fail(ErrorKind::not_found, fmt::format("no interface has the address {}", to_string(ip)));
}

Result<Candidate> by_default_route(const HostView& host);

// --iface: a local address, or an interface's exact name; empty, as from an unset variable in a
// manifest, is upstream's word for the default route.
Result<Candidate> by_name_or_address(const HostView& host, const std::string& text) {
  if (text.empty()) return by_default_route(host);
  if (Ip6::parse(text)) {
    return fail(ErrorKind::unsupported, "an IPv6 underlay is not part of this release");
  }
  if (const auto ip = Ip4::parse(text)) return owner_of(host, *ip);
  const auto found = std::ranges::find(host.interfaces, text, &Interface::name);
  if (found != host.interfaces.end()) return best_address(*found);
  return fail(ErrorKind::not_found,
              fmt::format("there is no interface called \"{}\"", printable(text)));
}

// --iface-regex: any address of any interface in the kernel's order, then any name.
Result<Candidate> by_regex(const HostView& host, const std::string& text) {
  const RE2 pattern(text, RE2::Quiet);
  if (!pattern.ok()) {
    return fail(ErrorKind::invalid, "not a regular expression: " + pattern.error());
  }
  for (const Interface& interface : host.interfaces) {
    for (const InterfaceAddress& address : preferred(interface)) {
      if (RE2::PartialMatch(to_string(address.ip), pattern)) {
        return Candidate{&interface, address.ip};
      }
    }
  }
  for (const Interface& interface : host.interfaces) {
    if (RE2::PartialMatch(interface.name, pattern)) return best_address(interface);
  }
  return fail(ErrorKind::not_found, "it matches no address and no name of an interface");
}

// --iface-can-reach: where a packet to that address would leave.
Result<Candidate> by_reach(const HostView& host, const std::string& text) {
  const Ip4 target = TRY(Ip4::parse(text));
  // One manifest names one address for all hosts, also for the host that has it: the route there
  // leaves by the loopback interface, which is no underlay.
  if (const auto own = owner_of(host, target)) return *own;
  const PathTo path = TRY(host.path_to(target));
  const Interface* const interface = by_index(host, path.interface_index);
  if (interface == nullptr || path.source.is_unspecified()) {
    return fail(ErrorKind::not_found, "the route to it has no interface or no source address");
  }
  return Candidate{interface, path.source};
}

Result<Candidate> by_default_route(const HostView& host) {
  if (host.default_routes.empty()) {
    return fail(ErrorKind::not_found,
                "Unable to find default route: name the interface with --iface");
  }
  const auto& index = host.default_routes.front().interface_index;
  if (!index) {
    return fail(ErrorKind::invalid,
                "the default route has several next hops: name the interface with --iface");
  }
  const Interface* const interface = by_index(host, *index);
  if (interface == nullptr) {
    return fail(ErrorKind::not_found,
                fmt::format("the default route's interface (index {}) is gone", *index));
  }
  return best_address(*interface);
}

// Tries what the request names, in upstream's order, and keeps the reasons.
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
                                   found_->interface->up ? "" : " (it is down)"));
  }

  const std::optional<Candidate>& found() const { return found_; }
  // The kind in which all tries failed; a mixture is not_found: another time it may be there.
  ErrorKind failure() const {
    return failures_.size() == 1 ? *failures_.begin() : ErrorKind::not_found;
  }
  void take(const Candidate& candidate) { found_ = candidate; }

 private:
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
  search.take(TRY_DURING(by_default_route(host), "Failed to find any valid interface to use"));
  search.chose("it has the default route");
  return *search.found();
}

}  // namespace

Result<UnderlayChoice> choose_underlay(const UnderlayRequest& request, const HostView& host) {
  UnderlayChoice choice;
  std::optional<Ip4> announced;
  if (Ip6::parse(request.public_ip)) {
    return fail(ErrorKind::unsupported,
                "--public-ip: an IPv6 address is not part of this release; give an IPv4 address");
  }
  if (!request.public_ip.empty()) {
    announced = TRY_DURING(Ip4::parse(request.public_ip), "--public-ip");
  }
  const Candidate found = TRY(find(request, host, choice.reasons));
  if (found.interface->mtu == 0) {
    return fail(ErrorKind::invalid, fmt::format("interface {} has no MTU", found.interface->name));
  }
  choice.underlay = {.interface = found.interface->name,
                     .interface_index = found.interface->index,
                     .ip = found.ip,
                     .public_ip = announced.value_or(found.ip),
                     .mtu = found.interface->mtu};
  choice.reasons.push_back(
      announced ? fmt::format("Using {} as external address", to_string(*announced))
                : fmt::format("Defaulting external address to interface address ({})",
                              to_string(found.ip)));
  return choice;
}

}  // namespace flannel
