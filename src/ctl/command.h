// SPDX-License-Identifier: Apache-2.0
// flannelctl is a table of commands; each is a function in a file of its own.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/surroundings.h"
#include "registry/open_registry.h"

namespace flannel {

// What a command reads and writes. Outlives the command.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  // The host that the command runs on; empty: it is not looked at.
  std::function<Result<HostView>()> look_at_host = {};
};

// The flags, and the words after the command's name.
struct CtlOptions {
  StoreOptions store;
  std::chrono::milliseconds timeout{10'000};  // for all that the command asks of the store
  bool json = false;
  bool bad = false;
  std::uint32_t underlay_mtu = 1500;
  std::string backend = "all";  // cleanup
  bool dry_run = false;
  bool force = false;
  std::string node;  // public IP of a host
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

// The command that `words` begin with, and how many of them are its name.
struct FoundCommand {
  const Command* command = nullptr;
  std::size_t name_words = 0;
};
// The error suggests the nearest one.
Result<FoundCommand> find_command(std::span<const std::string> words);

Result<void> run_config_get(const CtlOptions& options, const Terminal& terminal);
Result<void> run_config_set(const CtlOptions& options, const Terminal& terminal);
Result<void> run_config_check(const CtlOptions& options, const Terminal& terminal);
Result<void> run_leases(const CtlOptions& options, const Terminal& terminal);
Result<void> run_cleanup(const CtlOptions& options, const Terminal& terminal);
Result<void> run_reserve(const CtlOptions& options, const Terminal& terminal);
Result<void> run_unreserve(const CtlOptions& options, const Terminal& terminal);
Result<void> run_version(const CtlOptions& options, const Terminal& terminal);
Result<void> check_help_words(std::span<const std::string> words);
Result<void> run_help(const CtlOptions& options, const Terminal& terminal);

}  // namespace flannel
