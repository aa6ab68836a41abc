// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "plan/wireguard.h"

namespace flannel {

// Where the private key of this host is, in this order.
struct WireguardKeyPlaces {
  std::string given{};  // $WIREGUARD_KEY_FILE; empty: no file was given, and the others count
  std::string kept{};   // in the state folder
  // Upstream's, which is lost in a reboot; empty: no upstream flannel had the keys of this network.
  std::string upstream{};
};

// The places for a network; `network`: its name, or empty.
WireguardKeyPlaces wireguard_key_places(const std::string& given, const std::string& state_folder,
                                        const std::string& network);

// Reads the private key, or makes one and writes it to the file that was given, or else to the one
// in the state folder (mode 0600, atomically, its folder 0755). The key of upstream flannel is
// copied there, since peers know it. A file that is no key is an error and is left unchanged. If
// other users may read the file, or it cannot be written, a warning is logged.
Result<WireguardIdentity> load_or_make_wireguard_key(const WireguardKeyPlaces& places);

// Makes another private key, which takes the place of the one in the state folder.
// ErrorKind::conflict: the operator gave a file, which is the operator's to change.
Result<WireguardIdentity> replace_wireguard_key(const WireguardKeyPlaces& places);
// Writes this key to the state folder.
Result<void> keep_wireguard_key(const WireguardKeyPlaces& places, const WireguardIdentity& keys);

}  // namespace flannel
