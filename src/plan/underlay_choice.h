// SPDX-License-Identifier: Apache-2.0
// Chooses the interface and addresses of the underlay, and reports the reasons. Rules:
// docs/interface-selection.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/host.h"

namespace flannel {

// Whether the underlay needs an address of a family: a wanted one that cannot be had is a reason in
// the choice, a required one is a failure.
enum class Need : std::uint8_t { none, wanted, required };

struct UnderlayRequest {
  std::vector<std::string> interfaces = {};  // --iface: names or addresses, in order
  std::vector<std::string> regexes = {};     // --iface-regex (RE2), in order
  std::string can_reach = {};                // --iface-can-reach; empty: not given
  std::string public_ip = {};                // --public-ip; empty: not given
  std::string public_ipv6 = {};              // --public-ipv6; empty: not given
  Need v4 = Need::required;
  Need v6 = Need::none;

  Need need(Family family) const { return family == Family::v4 ? v4 : v6; }
  const std::string& announced(Family family) const {
    return family == Family::v4 ? public_ip : public_ipv6;
  }
  bool operator==(const UnderlayRequest&) const = default;
};

struct HostView {
  std::vector<Interface> interfaces;                           // by index
  std::vector<DefaultRoute> default_routes;                    // of the main table, in dump order
  std::function<Result<RouteLookup>(IpAddress)> lookup_route;  // a route lookup
  std::vector<HostRoute> routes = {};  // in dump order: the kernel uses the first of equal ones
  std::vector<IpAddress> name_servers = {};  // of this host's resolv.conf, without local ones
  bool has_ipv6 = true;                      // the kernel has IPv6
};

struct UnderlayChoice {
  Underlay underlay;
  std::vector<std::string> reasons;  // one line for each attempt, and for the choice
};

// The choice has an address of one family at least.
Result<UnderlayChoice> choose_underlay(const UnderlayRequest& request, const HostView& host);

// Fails if `text` is no valid expression for --iface-regex.
Result<void> check_interface_regex(const std::string& text);

}  // namespace flannel
