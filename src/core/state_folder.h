// SPDX-License-Identifier: Apache-2.0
// The folder in which flanneld keeps what must outlive a restart and a reboot, and its files.
#pragma once

#include <string_view>

namespace flannel {

inline constexpr std::string_view kDefaultStateFolder = "/var/lib/flannel";

// The identity of this host (node_id.h).
inline constexpr std::string_view kNodeIdFile = "node-id";
// While it exists, the host is drained (drain_note.h).
inline constexpr std::string_view kDrainedFile = "drained";
// While it exists, checksums of packets by vxlan devices are filled in by the kernel.
inline constexpr std::string_view kSoftwareChecksumsFile = "software-checksums";
// The addresses of Docker's containers (docker/docker_pools_file.h).
inline constexpr std::string_view kDockerPoolsFile = "docker-pools.json";
// The private key of WireGuard; "-NETWORK" follows where networks have names.
inline constexpr std::string_view kWireguardKeyFile = "wireguard-key";
// What this host knows of a network (kept_state.h); "-PREFIX.gz" follows, with the prefix of the
// network's keys.
inline constexpr std::string_view kKeptStateFile = "kept-state";
// What commands of the extension backend have done (command_record.h); "-NETWORK" follows where
// networks have names.
inline constexpr std::string_view kCommandRecordFile = "extension";
// The lock of the one daemon that uses the folder.
inline constexpr std::string_view kStateLockFile = "state.lock";

}  // namespace flannel
