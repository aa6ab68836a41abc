// SPDX-License-Identifier: Apache-2.0
// extension: shell commands of the configuration do the work: one before the lease, whose output
// this host announces, one after it, and one for each peer that comes or goes. They get values by
// their environment and standard input alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace flannel {

struct ExtensionOptions {
  CommandSettings commands = {};
  std::optional<std::uint32_t> mtu;  // "MTU", that of containers; ours alone
};

class ExtensionBackend final : public Backend {
 public:
  static constexpr std::string_view kType = "extension";
  // Parses the Backend object. ErrorKind::unsupported: it has no command.
  static Result<MadeBackend> make(std::string_view options_json);

  explicit ExtensionBackend(ExtensionOptions options) : options_(std::move(options)) {}

  AnnouncedBackend announced() const override { return {.type = std::string(kType)}; }
  LeaseAttributes announce(const HostFacts& host, const Lease* previous) const override;
  Result<IpAddress> carrier(const Lease& peer, Family family,
                            const HostFacts& host) const override {
    return carrier_in_any(family, peer, host);
  }
  std::uint32_t overlay_mtu(const HostFacts& host) const override;
  Companion companion(const HostFacts&) const override { return options_.commands; }
  NetState host_state(const Lease&, const HostFacts&) const override { return {}; }
  // No objects: fails if the commands cannot reach the peer.
  Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                              const PeerPath& path) const override;

 private:
  ExtensionOptions options_;
};

// The output of PreStartupCommand as it is announced: without white space around it, as upstream
// has it. Fails if a lease cannot have it.
Result<std::string> announced_text(std::string_view output);

// The variables of PostStartupCommand: NETWORK, SUBNET, PUBLIC_IP, and those of IPv6. A family that
// this host does not have is an empty text.
std::vector<std::string> host_variables(const std::vector<IpPrefix>& networks, const Lease& own);

// The values of a peer for SubnetAddCommand and SubnetRemoveCommand. `subnets`: those of its
// subnets that they are to reach.
CommandPeer command_peer(const SubnetKey& subnets, const LeaseAttributes& peer);

}  // namespace flannel
