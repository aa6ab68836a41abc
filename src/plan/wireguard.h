// SPDX-License-Identifier: Apache-2.0
// Keys, devices and peers of WireGuard as values. What is secret has a type that no text can be
// made of by accident.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace flannel {

inline constexpr std::size_t kWireguardKeySize = 32;  // bytes, of every kind of key

// The names of the wireguard backend's devices, which are upstream's. A network namespace has each
// once.
inline constexpr std::string_view kWireguardDevice = "flannel-wg";
inline constexpr std::string_view kWireguardDevice6 = "flannel-wg-v6";

// A handshake that is older is stale: WireGuard repeats one after 120 s of use, and no longer uses
// the session of one after 180 s (REJECT_AFTER_TIME in WireGuard's paper, section 6.1).
inline constexpr std::chrono::seconds kWireguardStale{180};

// A public key, by which WireGuard knows a host.
struct WireguardKey {
  std::array<std::uint8_t, kWireguardKeySize> bytes{};

  // Accepts base64 text of exactly 32 bytes that are not all zero, as `wg` writes it.
  static Result<WireguardKey> parse(std::string_view text);
  bool is_zero() const { return bytes == decltype(bytes){}; }
  auto operator<=>(const WireguardKey&) const = default;
};
std::string to_string(const WireguardKey& key);

// A private key, or one that two hosts share. All zero: none. The bytes are overwritten when the
// value is destroyed.
class WireguardSecret {
 public:
  using Bytes = std::array<std::uint8_t, kWireguardKeySize>;

  WireguardSecret() = default;
  explicit WireguardSecret(const Bytes& bytes) : bytes_(bytes) {}
  WireguardSecret(const WireguardSecret&) = default;
  WireguardSecret& operator=(const WireguardSecret&) = default;
  ~WireguardSecret();

  // Accepts the same text as WireguardKey::parse(). The error does not repeat the text.
  static Result<WireguardSecret> parse(std::string_view text);

  bool is_none() const { return bytes_ == Bytes{}; }
  std::span<const std::uint8_t, kWireguardKeySize> bytes() const { return bytes_; }
  bool operator==(const WireguardSecret&) const = default;

 private:
  Bytes bytes_{};
};
// For a file that only its owner can read.
std::string text_for_file(const WireguardSecret& secret);

// The keys of this host.
struct WireguardIdentity {
  WireguardKey key;
  WireguardSecret secret;  // the private key of `key`
};

// The settings of a device.
struct WireguardSettings {
  WireguardKey key{};
  std::uint16_t port = 0;    // UDP, on which the device listens; 0: any
  std::uint32_t mark = 0;    // the device gives it to packets; 0: none, as is always wanted
  WireguardSecret secret{};  // the private key of `key`; none in what was read from the kernel
  bool operator==(const WireguardSettings& other) const {
    return key == other.key && port == other.port && mark == other.mark;
  }
};

// A peer of a device. Identity: link, key; a put changes the peer that is there.
struct WireguardPeer {
  std::string link;
  WireguardKey key;
  WireguardSecret preshared{};
  IpEndpoint endpoint{};            // to which packets are sent; 0.0.0.0:0: not known
  std::uint16_t keepalive = 0;      // seconds between packets that keep a NAT open; 0: none
  std::vector<IpPrefix> allowed{};  // sorted: of which packets may come, and to which they go
  // True if the last handshake with the peer is not stale: the endpoint of the kernel works, be it
  // another than that which the lease announces, because the peer roams or is behind a NAT. Only in
  // what was read from the kernel.
  bool endpoint_works = false;

  // Ignores the endpoint if that of one of the two works.
  bool operator==(const WireguardPeer& other) const;
};

// "wireguard public-key KEY listen-port 51820"
std::string to_string(const WireguardSettings& settings);
// "wg peer KEY dev flannel-wg endpoint 192.0.2.2:51820 allowed-ips 10.5.2.0/24"
std::string to_string(const WireguardPeer& peer);

}  // namespace flannel
