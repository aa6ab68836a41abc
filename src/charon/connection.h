// SPDX-License-Identifier: Apache-2.0
// The configuration of a tunnel to a peer in charon, which is that of upstream but for MOBIKE
// and the notice of an initial contact: hosts of both agree on it, and a charon that upstream has
// configured has connections of the same names.
#pragma once

#include <string>
#include <string_view>

#include "charon/vici_message.h"
#include "net/address.h"
#include "plan/ipsec.h"

namespace flannel {

// "192.0.2.1-10.5.1.0/24-10.5.2.0/24-192.0.2.2"
std::string connection_name(const IpsecPeer& peer);
// "10.5.1.0/24-10.5.2.0/24"
std::string child_name(const IpsecPeer& peer);
// True if the name has the form of a connection_name(): no other program gives such a name.
bool is_connection_name(std::string_view name);

// The arguments of the command load-conn. No policies: those in the kernel are flanneld's.
ViciSection connection_of(const IpsecPeer& peer, const IpsecSettings& settings);

// The id of the key with which the host of this address proves who it is, "flannel-192.0.2.2".
std::string key_id(const IpAddress& ip);
bool is_key_id(std::string_view id);
// The arguments of the command load-shared; they have the secret.
ViciSection key_of(const IpAddress& ip, const IpsecSettings& settings);

}  // namespace flannel
