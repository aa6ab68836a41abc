// SPDX-License-Identifier: Apache-2.0
// Hosts must agree on a part of their backend to reach each other. A configuration gives it, and a
// lease announces it.
#pragma once

#include <string_view>

#include "core/lease.h"
#include "core/network_config.h"

namespace flannel {

// True for backends whose leases announce no type to upstream, which cannot distinguish them.
bool announces_no_type(std::string_view backend_type);

// The backend that this configuration gives to hosts. An option that the backend refuses counts as
// absent.
AnnouncedBackend configured_backend(const NetworkConfig& config);

// What a peer says of its backend. Another flannel, and earlier releases, announce no port; then
// the port is 0, and so is a VNI that is missing. The type is empty if the peer announces none: its
// backend is udp or alloc.
AnnouncedBackend backend_of(const LeaseAttributes& peer);

// True if a host with the backend `ours` reaches a peer that says this of its backend.
bool reaches(const AnnouncedBackend& ours, const AnnouncedBackend& theirs);

// The backend of the host that wrote this lease. What the lease leaves open is as in `expected` if
// that is possible, and otherwise as by default.
AnnouncedBackend announced_backend(const LeaseAttributes& lease, const AnnouncedBackend& expected);

// True if the lease announces the backend of this configuration, or leaves open what differs.
bool announces(const LeaseAttributes& lease, const NetworkConfig& config);

// `config` with the backend that a peer announces. Its other options are those of `config` if that
// has the same type, and otherwise at their defaults. `theirs` names a type.
NetworkConfig with_backend(NetworkConfig config, const AnnouncedBackend& theirs);

}  // namespace flannel
