// SPDX-License-Identifier: Apache-2.0
#include "plan/wireguard.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <string.h>

#include <cstring>

namespace flannel {
namespace {

using Bytes = WireguardSecret::Bytes;

std::string base64(std::span<const std::uint8_t> bytes) {
  return absl::Base64Escape({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Each key has one text: absl also decodes texts with spaces and without padding.
Result<Bytes> parse_key(std::string_view text) {
  std::string decoded;
  Bytes bytes{};
  const bool is_key = absl::Base64Unescape({text.data(), text.size()}, &decoded) &&
                      decoded.size() == bytes.size() && absl::Base64Escape(decoded) == text;
  if (is_key) std::memcpy(bytes.data(), decoded.data(), bytes.size());
  ::explicit_bzero(decoded.data(), decoded.size());
  if (!is_key) {
    return fail(ErrorKind::invalid, "must be the base64 text of 32 bytes, as \"wg genkey\" writes");
  }
  if (bytes == Bytes{}) return fail(ErrorKind::invalid, "must not be zero");
  return bytes;
}

}  // namespace

Result<WireguardKey> WireguardKey::parse(std::string_view text) {
  return WireguardKey{TRY(parse_key(text))};
}

std::string to_string(const WireguardKey& key) {
  return base64(key.bytes);
}

WireguardSecret::~WireguardSecret() {
  ::explicit_bzero(bytes_.data(), bytes_.size());
}

Result<WireguardSecret> WireguardSecret::parse(std::string_view text) {
  return WireguardSecret(TRY(parse_key(text)));
}

std::string text_for_file(const WireguardSecret& secret) {
  return base64(secret.bytes());
}

bool WireguardPeer::operator==(const WireguardPeer& other) const {
  return link == other.link && key == other.key && preshared == other.preshared &&
         keepalive == other.keepalive && allowed == other.allowed &&
         (endpoint_works || other.endpoint_works || endpoint == other.endpoint);
}

std::string to_string(const WireguardSettings& settings) {
  return fmt::format("wireguard public-key {} listen-port {}{}", to_string(settings.key),
                     settings.port,
                     settings.mark == 0 ? "" : fmt::format(" fwmark {}", settings.mark));
}

std::string to_string(const WireguardPeer& peer) {
  std::string text =
      fmt::format("wg peer {} dev {} endpoint {} allowed-ips ", to_string(peer.key), peer.link,
                  peer.endpoint.port == 0 ? "none" : to_string(peer.endpoint));
  if (peer.allowed.empty()) text += "none";
  for (const IpPrefix& prefix : peer.allowed) {
    if (&prefix != &peer.allowed.front()) text += ',';
    text += to_string(prefix);
  }
  if (peer.keepalive != 0) text += fmt::format(" persistent-keepalive {}", peer.keepalive);
  if (!peer.preshared.is_none()) text += " preshared-key (hidden)";
  return text;
}

}  // namespace flannel
