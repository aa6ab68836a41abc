// SPDX-License-Identifier: Apache-2.0
// What the commands of the extension backend have done on this host, as the next run of flanneld
// finds it: what is there need not be done again.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/lease.h"

namespace flannel {

// CommandTimeout if it is not given, and the longest that may be.
inline constexpr std::chrono::seconds kCommandTimeout{30};
inline constexpr std::chrono::seconds kLongestCommandTimeout{3600};

// The shell commands of the extension backend; an empty one is not given.
struct BackendCommands {
  std::string before_lease;  // PreStartupCommand
  std::string after_lease;   // PostStartupCommand
  std::string add;           // SubnetAddCommand
  std::string remove;        // SubnetRemoveCommand
  std::string shutdown;      // ShutdownCommand
  bool operator==(const BackendCommands&) const = default;
};

// The values for the two commands of a peer.
struct CommandPeer {
  SubnetKey subnet;                    // those of its subnets that the commands are to reach
  std::vector<std::string> variables;  // "SUBNET=10.5.2.0/24"
  std::string input;                   // the text that it announces
  bool operator==(const CommandPeer&) const = default;
};

struct CommandRecord {
  struct Peer {
    CommandPeer values;
    bool is_done = false;  // SubnetAddCommand has succeeded; false: it may have been begun
    bool operator==(const Peer&) const = default;
  };
  std::string where;  // the boot and the network namespace; in another one nothing is there
  BackendCommands commands;
  std::chrono::seconds deadline = kCommandTimeout;  // of each of them, at least 1
  std::string output;                               // of PreStartupCommand
  std::vector<std::string> variables;  // with which PostStartupCommand has succeeded; none: never
  std::vector<Peer> peers;
  bool operator==(const CommandRecord&) const = default;
};

// JSON, for a file of the state folder.
std::string encode_command_record(const CommandRecord& record);
Result<CommandRecord> decode_command_record(std::string_view text);

}  // namespace flannel
