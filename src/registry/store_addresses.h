// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "net/address.h"
#include "registry/open_registry.h"

namespace flannel {

// Returns the endpoints of the store as they were given; none for a local store.
const std::vector<std::string>& endpoints_of(const StoreOptions& options);

// Returns the addresses at which this process reaches the store: the addresses among the endpoints,
// and for endpoints that are names the addresses to which this process is connected or connecting.
// Empty for a local store.
std::vector<IpAddress> store_addresses(const StoreOptions& options);

// Returns the remote end of each connection that is established or being established, of the
// sockets with the given inode numbers. `table` has the format of /proc/net/tcp or tcp6. A mapped
// IPv4 address is returned as an IPv4 address.
std::vector<IpEndpoint> parse_connections(const std::string& table,
                                          const std::vector<std::string>& inodes);

}  // namespace flannel
