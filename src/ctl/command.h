// SPDX-License-Identifier: Apache-2.0
// The commands of flannelctl: a table, and a function for each in a file of its own.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/control_socket.h"
#include "core/state_folder.h"
#include "plan/surroundings.h"
#include "registry/open_registry.h"

namespace flannel {

// The input and output of a command. Must outlive the command.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  // Reads the state of the host on which the command runs; empty: it is not read.
  std::function<Result<HostView>()> read_host = {};
  // Like running_daemons(); empty: no daemon is looked for.
  std::function<Result<std::vector<int>>()> find_daemons = {};
};

// The values of the flags, and the words after the name of the command.
struct CtlOptions {
  std::string network;  // the name of the network that is meant; empty: the one without a name
  StoreOptions store;   // its prefix is that of `network`
  std::chrono::milliseconds timeout{10'000};  // for all calls to the store
  bool json = false;
  bool bad = false;
  std::uint32_t underlay_mtu = 1500;
  std::string backend = "all";  // cleanup
  bool dry_run = false;
  bool force = false;
  std::optional<std::chrono::milliseconds> wait{};    // config set; nullopt: it does not wait
  std::string node;                                   // public IP of a host
  std::string control_socket{kDefaultControlSocket};  // on which the asked daemon listens
  std::string state_dir{kDefaultStateFolder};         // drain, undrain: that of flanneld
  bool no_wait = false;                               // drain, undrain
  std::optional<std::chrono::milliseconds> watch{};   // status; nullopt: once
  bool list = false;                                  // report: only what would be in it
  bool anonymous = false;                             // report: with other addresses
  std::string output;                                 // report: the file; empty: one in this folder
  std::uint32_t count = 4;                            // ping
  std::optional<std::uint32_t> size{};                // ping; nullopt: as short as can be
  bool sweep = false;                                 // ping: finds the longest packets that pass
  std::string sort{};                              // peers: the name of a column; empty: by subnet
  std::string state{};                             // peers: those in this state alone; empty: all
  std::string docker_socket = "/run/docker.sock";  // doctor: of the environment's DOCKER_HOST
  std::string fix{};  // doctor: "on" or "off"; empty: it changes nothing
  std::vector<std::string> words;
};

// Returns the options about this network of the store; empty: the one without a name. `options` are
// about that one.
CtlOptions in_network(CtlOptions options, const std::string& network);

struct Command {
  std::string_view name;       // one word or two: "config set"
  std::string_view arguments;  // for people: "FILE|-|JSON"
  std::string_view summary;
  std::size_t fewest_words = 0;
  std::size_t most_words = 0;
  std::array<std::string_view, 4> own_flags;  // besides those that every command takes
  Result<void> (*run)(const CtlOptions& options, const Terminal& terminal);
  std::chrono::seconds timeout{10};  // becomes CtlOptions::timeout if --timeout is not given
};

std::span<const Command> commands();
std::string call_of(const Command& command);  // "config set FILE|-|JSON"

// The command with which `words` begin, and the number of words in its name.
struct FoundCommand {
  const Command* command = nullptr;
  std::size_t name_words = 0;
};
// An error suggests the command with the nearest name.
Result<FoundCommand> find_command(std::span<const std::string> words);

Result<void> run_config_get(const CtlOptions& options, const Terminal& terminal);
Result<void> run_config_set(const CtlOptions& options, const Terminal& terminal);
Result<void> run_config_check(const CtlOptions& options, const Terminal& terminal);
Result<void> run_leases(const CtlOptions& options, const Terminal& terminal);
Result<void> run_doctor(const CtlOptions& options, const Terminal& terminal);
Result<void> run_trace(const CtlOptions& options, const Terminal& terminal);
Result<void> run_drain(const CtlOptions& options, const Terminal& terminal);
Result<void> run_undrain(const CtlOptions& options, const Terminal& terminal);
Result<void> run_cleanup(const CtlOptions& options, const Terminal& terminal);
Result<void> run_network_list(const CtlOptions& options, const Terminal& terminal);
Result<void> run_network_create(const CtlOptions& options, const Terminal& terminal);
Result<void> run_network_delete(const CtlOptions& options, const Terminal& terminal);
Result<void> run_node_list(const CtlOptions& options, const Terminal& terminal);
Result<void> run_node_remove(const CtlOptions& options, const Terminal& terminal);
Result<void> run_reserve(const CtlOptions& options, const Terminal& terminal);
Result<void> run_unreserve(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_abandon(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_copy(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_retire(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_status(const CtlOptions& options, const Terminal& terminal);
Result<void> run_status(const CtlOptions& options, const Terminal& terminal);
Result<void> run_peers(const CtlOptions& options, const Terminal& terminal);
Result<void> run_diff(const CtlOptions& options, const Terminal& terminal);
Result<void> check_peers_sort(const std::string& column);
Result<void> run_ping(const CtlOptions& options, const Terminal& terminal);
Result<void> run_events(const CtlOptions& options, const Terminal& terminal);
Result<void> run_log_level(const CtlOptions& options, const Terminal& terminal);
Result<void> run_wireguard_rotate(const CtlOptions& options, const Terminal& terminal);
Result<void> run_report(const CtlOptions& options, const Terminal& terminal);
Result<void> run_version(const CtlOptions& options, const Terminal& terminal);
Result<void> check_help_words(std::span<const std::string> words);
Result<void> run_help(const CtlOptions& options, const Terminal& terminal);

}  // namespace flannel
