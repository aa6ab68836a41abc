// SPDX-License-Identifier: Apache-2.0
#include "plan/underlay_choice.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/printable.h"
#include "plan/underlay_candidate.h"

namespace flannel {
namespace {

const char* public_flag(Family family) {
  return family == Family::v4 ? "--public-ip" : "--public-ipv6";
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

Result<Candidate> by_default_route(const Question& question);

// --iface: a local address or an interface's exact name. An empty text, as from an unset variable
// in a manifest, means the default route, as in upstream.
Result<Candidate> by_name_or_address(const Question& question, const std::string& text) {
  if (text.empty()) return by_default_route(question);
  if (const auto ip = IpAddress::parse(text)) return by_address(question, *ip);
  const auto& all = question.host.interfaces;
  const auto found = std::ranges::find(all, text, &Interface::name);
  if (found != all.end()) return complete(question, {.interface = &*found});
  return fail(ErrorKind::not_found, fmt::format("there is no interface called \"{}\"{}",
                                                printable(text), what_there_is(question.host)));
}

// The interface, with the addresses that match; nullopt: none matches.
std::optional<Candidate> matching(const Question& question, const Interface& interface,
                                  const RE2& pattern) {
  Candidate candidate{.interface = &interface};
  for (const Family family : question.wanted()) {
    for (const InterfaceAddress& address : preferred_addresses(question.host, interface, family)) {
      if (RE2::PartialMatch(to_string(address.ip), pattern)) {
        candidate.addresses.emplace(family, address.ip);
      }
    }
  }
  if (candidate.addresses.empty()) return std::nullopt;
  return candidate;
}

// --iface-regex: any address of any interface in the kernel's order, then any name.
Result<Candidate> by_regex(const Question& question, const std::string& text) {
  TRY(check_interface_regex(text));
  const RE2 pattern(text, RE2::Quiet);
  std::optional<Candidate> partial;  // the first that lacks a wanted family
  for (const Interface& interface : question.host.interfaces) {
    auto match = matching(question, interface, pattern);
    if (!match) continue;
    auto candidate = complete(question, *std::move(match));
    if (candidate && candidate->missing.empty()) return candidate;
    if (candidate && !partial) partial = *std::move(candidate);
  }
  if (partial) return *std::move(partial);
  for (const Interface& interface : question.host.interfaces) {
    if (RE2::PartialMatch(interface.name, pattern)) {
      return complete(question, {.interface = &interface});
    }
  }
  return fail(ErrorKind::not_found,
              "it matches no address and no name of an interface" + what_there_is(question.host));
}

// --iface-can-reach: the interface by which a packet to that address would leave.
Result<Candidate> by_reach(const Question& question, const std::string& text) {
  const IpAddress target = TRY(IpAddress::parse(text));
  // A manifest names one address for all hosts, and one of the hosts may have this address itself.
  // That host's route to it leaves by the loopback interface, which is no underlay.
  if (owner_of(question.host, target)) return by_address(question, target);
  const RouteLookup path = TRY(question.host.lookup_route(target));
  Candidate candidate{.interface = by_index(question.host, path.interface_index)};
  if (candidate.interface == nullptr || path.source.is_unspecified()) {
    return fail(ErrorKind::not_found, "the route to it has no interface or no source address");
  }
  const bool is_source =
      question.wants(target.family) && (target.is_v4() || !path.source.is_link_local());
  if (is_source) candidate.addresses.emplace(target.family, path.source);
  return complete(question, std::move(candidate));
}

// The default routes of a family.
std::vector<DefaultRoute> default_routes(const HostView& host, Family family) {
  std::vector<DefaultRoute> routes;
  std::ranges::copy_if(host.default_routes, std::back_inserter(routes),
                       [family](const DefaultRoute& route) { return route.family == family; });
  return routes;
}

std::string no_default_route(const HostView& host, Family family) {
  const bool any = std::ranges::any_of(host.interfaces, [&](const Interface& interface) {
    return !preferred_addresses(host, interface, family).empty();
  });
  if (any && family == Family::v4) {
    return "Unable to find default route: name the interface with --iface";
  }
  if (any) return "Unable to find IPv6 default route: name the interface with --iface";
  return fmt::format("this host has no usable {} address but loopback's", to_string(family));
}

// The first default route whose interface has a carrier; the first of all if none has.
const DefaultRoute& best_route(const HostView& host, const std::vector<DefaultRoute>& routes) {
  const auto carrying = std::ranges::find_if(routes, [&](const DefaultRoute& route) {
    const Interface* const interface = by_index(host, route.interface_index.value_or(0));
    return !route.interface_index || (interface != nullptr && interface->carrier);
  });
  return carrying == routes.end() ? routes.front() : *carrying;
}

bool has_link_local_only(const Interface& interface, Family family) {
  bool any = false;
  for (const InterfaceAddress& address : interface.addresses) {
    if (address.ip.family != family) continue;
    if (!address.ip.is_link_local()) return false;
    any = true;
  }
  return any;
}

// The first other interface with a better address. A default route by an interface with link-local
// addresses only is a dummy, as on hosts that reach no other network, or, in IPv6, that of a host
// whose address is on another interface.
std::optional<Candidate> beside_link_local(const Question& question, Family family) {
  for (const Interface& interface : question.host.interfaces) {
    if (!interface.up || !interface.carrier) continue;
    const auto best = best_address(question.host, interface, family);
    if (!best || best->is_link_local()) continue;
    auto candidate = complete(question, {&interface, {{family, *best}}, {}});
    if (candidate) return *std::move(candidate);
  }
  return std::nullopt;
}

Result<Candidate> by_default_route(const Question& question, Family family) {
  const HostView& host = question.host;
  const auto routes = default_routes(host, family);
  if (routes.empty()) return fail(ErrorKind::not_found, no_default_route(host, family));
  const auto& index = best_route(host, routes).interface_index;
  if (!index) {
    return fail(ErrorKind::invalid,
                "the default route has several next hops: name the interface with --iface");
  }
  const Interface* const interface = by_index(host, *index);
  if (interface == nullptr) {
    return fail(ErrorKind::not_found,
                fmt::format("the default route's interface (index {}) is gone", *index));
  }
  if (has_link_local_only(*interface, family)) {
    if (auto other = beside_link_local(question, family)) return *std::move(other);
  }
  return complete(question, {.interface = interface});
}

// The default route of IPv4 decides if there is one: a network that gets IPv6 too stays where it
// is.
Result<Candidate> by_default_route(const Question& question) {
  std::vector<std::string> failures;
  ErrorKind kind = ErrorKind::not_found;
  for (const Family family : question.wanted()) {
    auto candidate = by_default_route(question, family);
    if (candidate) return candidate;
    kind = candidate.error().kind;
    failures.push_back(candidate.error().text);
  }
  return fail(kind, fmt::format("{}", fmt::join(failures, "; ")));
}

// Tries the options of the request in upstream's order, and records the reasons. The first
// candidate with an address of every wanted family is found, or else the first of all.
class Search {
 public:
  Search(const Question& question, std::vector<std::string>& reasons)
      : question_(question), reasons_(reasons) {}

  using Lookup = Result<Candidate> (*)(const Question&, const std::string&);

  void try_each(const std::vector<std::string>& texts, std::string_view flag, Lookup lookup) {
    for (const std::string& text : texts) {
      if (found_ && found_->missing.empty()) return;
      auto candidate = lookup(question_, text);
      if (candidate && candidate->interface->mtu == 0) {
        candidate = fail(ErrorKind::invalid,
                         fmt::format("interface {} has no MTU", candidate->interface->name));
      }
      if (!candidate) {
        failures_.insert(candidate.error().kind);
        reasons_.push_back(fmt::format("Could not find valid interface matching {}: {}",
                                       printable(text), candidate.error().text));
      } else if (!found_ || candidate->missing.empty()) {
        take(*candidate, fmt::format("{}={}", flag, printable(text)));
      }
    }
  }

  void take(Candidate candidate, std::string why) {
    found_ = std::move(candidate);
    why_ = std::move(why);
  }

  // Returns what was found, and records why.
  std::optional<Candidate> finish() {
    if (!found_) return std::nullopt;
    for (const auto& [family, ip] : found_->addresses) {
      reasons_.push_back(fmt::format("Using interface with name {} and {}address {}: {}{}",
                                     found_->interface->name, family == Family::v6 ? "v6 " : "",
                                     to_string(ip), why_, state_of(*found_->interface)));
    }
    for (const auto& [family, why] : found_->missing)
      reasons_.push_back(fmt::format("No {} underlay: {}", to_string(family), why));
    return found_;
  }

  // The kind of all failures; not_found if the kinds differ, because a later attempt may find an
  // interface.
  ErrorKind failure() const {
    return failures_.size() == 1 ? *failures_.begin() : ErrorKind::not_found;
  }

 private:
  static std::string_view state_of(const Interface& interface) {
    if (!interface.up) return " (it is down)";
    return interface.carrier ? "" : " (it has no carrier)";
  }

  const Question& question_;
  std::vector<std::string>& reasons_;
  std::optional<Candidate> found_;
  std::string why_;
  std::set<ErrorKind> failures_;
};

Result<Candidate> find_named(const Question& question, Search& search,
                             const std::vector<std::string>& reasons) {
  const UnderlayRequest& request = question.request;
  search.try_each(request.interfaces, "--iface", by_name_or_address);
  search.try_each(request.regexes, "--iface-regex", by_regex);
  if (!request.can_reach.empty()) {
    search.try_each({request.can_reach}, "--iface-can-reach", by_reach);
  }
  if (auto found = search.finish()) return *std::move(found);
  return fail(search.failure(),
              fmt::format("Failed to find interface to use that matches the interfaces and/or "
                          "regexes provided: {}",
                          fmt::join(reasons, "; ")));
}

Result<Candidate> find_announced(const Question& question, Search& search,
                                 const std::vector<std::string>& reasons) {
  std::string flags;
  for (const Family family : question.wanted()) {
    const std::string& text = question.request.announced(family);
    if (text.empty()) continue;
    search.try_each({text}, public_flag(family), by_name_or_address);
    flags += std::string(flags.empty() ? "" : " and ") + public_flag(family);
  }
  if (auto found = search.finish()) return *std::move(found);
  return fail(ErrorKind::not_found,
              fmt::format("Failed to find any valid interface to use: {} alone must be an address "
                          "of this host; behind NAT name the interface with --iface too ({})",
                          flags, fmt::join(reasons, "; ")));
}

Result<Candidate> find(const Question& question, std::vector<std::string>& reasons) {
  const UnderlayRequest& request = question.request;
  Search search(question, reasons);
  if (!request.interfaces.empty() || !request.regexes.empty() || !request.can_reach.empty()) {
    return find_named(question, search, reasons);
  }
  const bool announced = std::ranges::any_of(
      question.wanted(), [&](Family family) { return !request.announced(family).empty(); });
  if (announced) return find_announced(question, search, reasons);
  Candidate found =
      TRY_DURING(by_default_route(question), "Failed to find any valid interface to use");
  const bool has_route =
      std::ranges::any_of(question.host.default_routes, [&](const DefaultRoute& route) {
        return route.interface_index == found.interface->index && question.wants(route.family);
      });
  search.take(std::move(found),
              has_route ? "it has the default route"
                        : "the interface of the default route has a link-local address only");
  return *search.finish();
}

}  // namespace

Result<UnderlayChoice> choose_underlay(const UnderlayRequest& request, const HostView& host) {
  UnderlayChoice choice;
  const Question question{request, host};
  std::map<Family, IpAddress> announced;
  for (const Family family : question.wanted()) {
    const std::string& text = request.announced(family);
    if (text.empty()) continue;
    announced.emplace(family, TRY_DURING(IpAddress::parse(text, family), public_flag(family)));
  }
  const Candidate found = TRY(find(question, choice.reasons));
  const Interface& interface = *found.interface;
  if (interface.mtu == 0) {
    return fail(ErrorKind::invalid, fmt::format("interface {} has no MTU", interface.name));
  }
  choice.underlay = {
      .interface = interface.name, .interface_index = interface.index, .mtu = interface.mtu};
  for (const auto& [family, ip] : found.addresses) {
    const auto given = announced.find(family);
    const IpAddress public_ip = given == announced.end() ? ip : given->second;
    choice.underlay.at(family) = UnderlayAddress{ip, public_ip};
    const std::string_view v6 = family == Family::v6 ? "v6 " : "";
    choice.reasons.push_back(
        given == announced.end()
            ? fmt::format("Defaulting external {}address to interface address ({})", v6,
                          to_string(ip))
            : fmt::format("Using {} as external {}address", to_string(public_ip), v6));
  }
  return choice;
}

Result<void> check_interface_regex(const std::string& text) {
  const RE2 pattern(text, RE2::Quiet);
  if (pattern.ok()) return {};
  return fail(ErrorKind::invalid, "not a regular expression: " + pattern.error());
}

}  // namespace flannel
