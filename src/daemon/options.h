// SPDX-License-Identifier: Apache-2.0
// The command line, environment file and environment of flanneld, parsed into values. All flags of
// upstream flannel are known; a flag that this release does not support is refused with an
// explanation, never ignored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "backend/backend.h"
#include "base/flags.h"
#include "base/log.h"
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

// The values of all flags, by "--name", and of other variables in the environment file that count
// at the start, by name. Secrets are among them: for comparisons, never to be logged.
using Settings = std::map<std::string, std::vector<std::string>>;

// What is done for Docker.
struct DockerOptions {
  std::string network = {};  // --docker-network, a network that it is to have; empty: none
  std::string socket = {};   // of DOCKER_HOST, or Docker's own; empty without a network
  bool plugin = false;       // --docker-plugin
};

struct Options {
  // --networks; empty: one network, which has no name, or, with `follows_store`, those of the
  // store.
  std::vector<std::string> networks;
  bool follows_store = false;  // --networks=*; also in the options of one of these networks
  StoreOptions store;
  UnderlayRequest underlay;
  KeeperOptions keeper;
  FirewallOptions firewall;      // --firewall, --ip-masq, --iptables-…
  PacketPathWishes packet_path;  // --udp-…
  DockerOptions docker;
  std::string subnet_file;               // --subnet-file
  std::string state_dir;                 // --state-dir
  std::string wireguard_key_file = {};   // $WIREGUARD_KEY_FILE; empty: it is not set
  bool ip_blackhole_route = false;       // --ip-blackhole-route
  bool probe_peers = true;               // --probe-peers
  bool offline_start = true;             // false: --no-offline-start
  bool publish_health = false;           // --publish-health; `probe_peers` is true then
  std::optional<ListenAddress> healthz;  // --healthz-ip, --healthz-port; nullopt: no server
  std::string control_socket;            // --control-socket; empty: none
  std::optional<ListenAddress> page;     // --status-addr; nullopt: no status page
  std::string page_token_file;           // --status-token-file; empty: none is needed
  bool consul_register = false;          // --consul-register; `healthz` has a value then
  bool keep_privileges = false;          // --keep-privileges
  log::Format log_format{};              // --log-format
  int verbosity = 0;                     // --v
  std::string given;                     // the given flags for the log, without secrets
  std::vector<std::string> warnings;     // to be logged once
  Settings settings;
  std::string environment_file;             // --environment-file, without "-"; empty: none
  std::vector<std::string> file_variables;  // the names of the variables in it
  std::vector<std::string> skipped_lines;   // EnvironmentFile::skipped; also among the warnings

  // True if the store is used with a password, a token or a key.
  bool has_secrets() const;
  // Takes over from `wanted` what plan_reload() calls live.
  void take_live(const Options& wanted);
};

// The names of all networks: `networks`, or "" for the one that has none. None with
// `follows_store`: the store has them.
std::vector<std::string> network_names(const Options& options);

// Returns the options as the network of this name has them: its prefix in the store, its file
// beside
// --subnet-file, and its network in Docker.
Options options_of(const Options& options, const std::string& network);

// --help, --version: print this on standard output and exit with 0.
struct PrintAndExit {
  std::string text;
};

using CommandLine = std::variant<Options, PrintAndExit>;

// Parses `arguments`, which do not include the name of the program, and reads the environment file.
// A flag counts before the file, and the file before the environment. An error is one line that
// names the word, or the variable and its line in the file; the program then exits with 2.
// `set_variables` has the names of all variables with a value: there is a warning for each that
// looks like one of ours but is not read.
Result<CommandLine> parse_command_line(std::span<const std::string> arguments,
                                       const Flags::Environment& environment,
                                       std::span<const std::string> set_variables = {});

}  // namespace flannel
