// SPDX-License-Identifier: Apache-2.0
#include "charon/connection.h"

#include <fmt/format.h>

#include <array>

namespace flannel {
namespace {

constexpr std::string_view kKeyPrefix = "flannel-";
constexpr std::string_view kIkeProposal = "aes256-sha256-modp4096";

ViciSection end_of(const IpAddress& ip) {
  return {.values = {{"auth", "psk"}, {"id", to_string(ip)}}};
}

ViciSection child_of(const IpsecPeer& peer, const IpsecSettings& settings) {
  return {.values = {{"mode", "tunnel"},
                     {"reqid", std::to_string(kIpsecReqid)},
                     {"policies", "no"},
                     {"start_action", "start"},
                     {"close_action", "trap"},
                     {"dpd_action", "restart"},
                     {"rekey_time", "1h"}},
          .lists = {{"local_ts", {to_string(peer.own_subnet)}},
                    {"remote_ts", {to_string(peer.subnet)}},
                    {"esp_proposals", {settings.proposal}}}};
}

}  // namespace

std::string child_name(const IpsecPeer& peer) {
  return fmt::format("{}-{}", to_string(peer.own_subnet), to_string(peer.subnet));
}

std::string connection_name(const IpsecPeer& peer) {
  return fmt::format("{}-{}-{}", to_string(peer.own_ip), child_name(peer), to_string(peer.ip));
}

bool is_connection_name(std::string_view name) {
  std::array<std::string_view, 4> parts;
  for (std::string_view& part : parts) {
    const auto end = name.find('-');
    part = name.substr(0, end);
    name = end == name.npos ? std::string_view() : name.substr(end + 1);
  }
  return name.empty() && IpAddress::parse(parts[0]) && IpPrefix::parse(parts[1]) &&
         IpPrefix::parse(parts[2]) && IpAddress::parse(parts[3]);
}

ViciSection connection_of(const IpsecPeer& peer, const IpsecSettings& settings) {
  const ViciSection connection{
      .values = {{"version", "2"},
                 {"keyingtries", "0"},  // it is tried for ever
                 // Each container would change the addresses that charon offers to all peers, and
                 // the policies name one.
                 {"mobike", "no"},
                 // Two hosts that begin at once would each end the tunnel that the other one uses.
                 {"unique", "never"},
                 {"encap", settings.udp ? "yes" : "no"}},
      .lists = {{"local_addrs", {to_string(peer.own_ip)}},
                {"remote_addrs", {to_string(peer.ip)}},
                {"proposals", {std::string(kIkeProposal)}}},
      .sections = {{"local", end_of(peer.own_ip)},
                   {"remote", end_of(peer.ip)},
                   {"children", {.sections = {{child_name(peer), child_of(peer, settings)}}}}}};
  return {.sections = {{connection_name(peer), connection}}};
}

std::string key_id(const IpAddress& ip) {
  return fmt::format("{}{}", kKeyPrefix, to_string(ip));
}

bool is_key_id(std::string_view id) {
  return id.starts_with(kKeyPrefix) && IpAddress::parse(id.substr(kKeyPrefix.size()));
}

ViciSection key_of(const IpAddress& ip, const IpsecSettings& settings) {
  return {.values = {{"id", key_id(ip)}, {"type", "IKE"}, {"data", settings.psk}},
          .lists = {{"owners", {to_string(ip)}}}};
}

}  // namespace flannel
