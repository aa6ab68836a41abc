// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "net/address.h"
#include "registry/open_registry.h"

namespace flannel {

// The IPv4 addresses at which this process reaches the store: those that the endpoints name, and of
// endpoints that are names those that it is connected or connecting to. None for a local store.
std::vector<Ip4> store_addresses(const StoreOptions& options);

// The remote end of each connection, established or begun, in a text as /proc/net/tcp and tcp6 have
// it, of the sockets with these inode numbers; IPv6 ones only if they carry IPv4.
std::vector<Endpoint4> parse_connections(const std::string& table,
                                         const std::vector<std::string>& inodes);

}  // namespace flannel
