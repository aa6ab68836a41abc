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
  StoreOptions store;
  std::chrono::milliseconds timeout{10'000};  // for all calls to the store
  bool json = false;
  bool bad = false;
  std::uint32_t underlay_mtu = 1500;
  std::string backend = "all";  // cleanup
  bool dry_run = false;
  bool force = false;
  std::optional<std::chrono::milliseconds> wait{};  // config set; nullopt: it does not wait
  std::string node;                                 // public IP of a host
  std::vector<std::string> words;
};

struct Command {
  std::string_view name;       // one word or two: "config set"
  std::string_view arguments;  // for people: "FILE|-|JSON"
  std::string_view summary;
  std::size_t fewest_words = 0;
  std::size_t most_words = 0;
  std::array<std::string_view, 3> own_flags;  // besides those that every command takes
  Result<void> (*run)(const CtlOptions& options, const Terminal& terminal);
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
Result<void> run_cleanup(const CtlOptions& options, const Terminal& terminal);
Result<void> run_node_list(const CtlOptions& options, const Terminal& terminal);
Result<void> run_node_remove(const CtlOptions& options, const Terminal& terminal);
Result<void> run_reserve(const CtlOptions& options, const Terminal& terminal);
Result<void> run_unreserve(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_abandon(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_copy(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_retire(const CtlOptions& options, const Terminal& terminal);
Result<void> run_store_status(const CtlOptions& options, const Terminal& terminal);
Result<void> run_version(const CtlOptions& options, const Terminal& terminal);
Result<void> check_help_words(std::span<const std::string> words);
Result<void> run_help(const CtlOptions& options, const Terminal& terminal);

}  // namespace flannel
