// SPDX-License-Identifier: Apache-2.0
#include "plan/link_settings.h"

#include <fmt/format.h>

namespace flannel {
namespace {

// Each kind has words() and needs_another().

std::string words(const VxlanSettings& vxlan) {
  return fmt::format("vxlan id {} local {} dev {} dstport {} {}{}{}", vxlan.vni,
                     to_string(vxlan.local), vxlan.lower.name, vxlan.port,
                     vxlan.learning ? "learning" : "nolearning", vxlan.gbp ? " gbp" : "",
                     vxlan.plain ? "" : " with foreign features");
}

std::string words(const TunSettings& tun) {
  return fmt::format("tun txqueuelen {}", tun.queue_len);
}

std::string words(const IpipSettings& ipip) {
  const std::string remote = ipip.remote.is_unspecified() ? "any" : to_string(ipip.remote);
  return fmt::format("ipip remote {} local {}{}", remote, to_string(ipip.local),
                     ipip.plain ? "" : " with foreign features");
}

std::string words(const WireguardSettings& wireguard) {
  return to_string(wireguard);
}

// Each is called with the settings of the device that is there, which may be of another kind.
bool needs_another(const LinkSettings& have, const VxlanSettings& want) {
  const auto* before = std::get_if<VxlanSettings>(&have);
  if (!before) return true;
  return before->vni != want.vni || before->port != want.port ||
         before->local.family != want.local.family || before->gbp != want.gbp ||
         before->plain != want.plain;
}

bool needs_another(const LinkSettings&, const TunSettings&) {
  return false;
}

// The kernel changes the local address in place.
bool needs_another(const LinkSettings& have, const IpipSettings& want) {
  const auto* before = std::get_if<IpipSettings>(&have);
  return !before || before->remote != want.remote || before->plain != want.plain;
}

// The kernel changes keys, port and mark in place.
bool needs_another(const LinkSettings& have, const WireguardSettings&) {
  return !std::holds_alternative<WireguardSettings>(have);
}

template <typename Settings>
auto find_lower(Settings& settings) {
  using Lower = decltype(&std::get<VxlanSettings>(settings).lower);
  return std::visit(
      [](auto& kind) -> Lower {
        if constexpr (requires { kind.lower; }) return &kind.lower;
        return nullptr;
      },
      settings);
}

}  // namespace

std::string to_string(const LinkSettings& settings) {
  return std::visit([](const auto& kind) { return words(kind); }, settings);
}

std::optional<Mac> mac_of(const LinkSettings& settings) {
  return std::visit(
      [](const auto& kind) -> std::optional<Mac> {
        if constexpr (requires { kind.mac; }) return kind.mac;
        return std::nullopt;
      },
      settings);
}

const LowerDevice* lower_of(const LinkSettings& settings) {
  return find_lower(settings);
}

LowerDevice* lower_of(LinkSettings& settings) {
  return find_lower(settings);
}

bool needs_new_device(const LinkSettings& have, const LinkSettings& want) {
  return std::visit([&have](const auto& kind) { return needs_another(have, kind); }, want);
}

}  // namespace flannel
