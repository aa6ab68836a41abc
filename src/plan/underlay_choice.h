// SPDX-License-Identifier: Apache-2.0
// Chooses the interface and address of the underlay, and reports the reasons. Rules:
// docs/interface-selection.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/host.h"

namespace flannel {

struct UnderlayRequest {
  std::vector<std::string> interfaces = {};  // --iface: names or addresses, in order
  std::vector<std::string> regexes = {};     // --iface-regex (RE2), in order
  std::string can_reach = {};                // --iface-can-reach; empty: not given
  std::string public_ip = {};                // --public-ip; empty: not given
};

struct HostView {
  std::vector<Interface> interfaces;                           // by index
  std::vector<DefaultRoute> default_routes;                    // of the main table, in dump order
  std::function<Result<RouteLookup>(IpAddress)> lookup_route;  // a route lookup
  std::vector<HostRoute> routes = {};  // in dump order: the kernel uses the first of equal ones
  std::vector<IpAddress> name_servers = {};  // of this host's resolv.conf, without local ones
};

struct UnderlayChoice {
  Underlay underlay;
  std::vector<std::string> reasons;  // one line for each attempt, and for the choice
};

Result<UnderlayChoice> choose_underlay(const UnderlayRequest& request, const HostView& host);

// Fails if `text` is no valid expression for --iface-regex.
Result<void> check_interface_regex(const std::string& text);

}  // namespace flannel
