// SPDX-License-Identifier: Apache-2.0
// The command line and environment of flanneld, parsed into values. All flags of upstream flannel
// are known; a flag that this release does not support is refused with an explanation, never
// ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "backend/backend.h"
#include "base/flags.h"
#include "core/lease_keeper.h"
#include "filter/firewall_options.h"
#include "plan/underlay_choice.h"
#include "registry/open_registry.h"

namespace flannel {

struct ListenAddress {
  std::string ip;
  std::uint16_t port = 0;
  bool operator==(const ListenAddress&) const = default;
};

struct Options {
  StoreOptions store;
  UnderlayRequest underlay;
  KeeperOptions keeper;
  FirewallOptions firewall;              // --firewall, --ip-masq, --iptables-…
  PacketPathWishes packet_path;          // --udp-…
  std::string subnet_file;               // --subnet-file
  std::string state_dir;                 // --state-dir
  bool ip_blackhole_route = false;       // --ip-blackhole-route
  std::optional<ListenAddress> healthz;  // --healthz-ip, --healthz-port; nullopt: no server
  bool consul_register = false;          // --consul-register; `healthz` has a value then
  bool keep_privileges = false;          // --keep-privileges
  int verbosity = 0;                     // --v
  std::string given;                     // the given flags for the log, without secrets
  std::vector<std::string> warnings;     // to be logged once
};

// --help, --version: print this on standard output and exit with 0.
struct PrintAndExit {
  std::string text;
};

using CommandLine = std::variant<Options, PrintAndExit>;

// Parses `arguments`, which do not include the name of the program. An error is one line that names
// the word or variable; the program then exits with 2. `set_variables` has the names of all
// variables with a value: there is a warning for each that looks like one of ours but is not read.
Result<CommandLine> parse_command_line(std::span<const std::string> arguments,
                                       const Flags::Environment& environment,
                                       std::span<const std::string> set_variables = {});

}  // namespace flannel
