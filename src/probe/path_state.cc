// SPDX-License-Identifier: Apache-2.0
#include "probe/path_state.h"

#include <fmt/format.h>

namespace flannel {
namespace {

std::string silence(const ProbeTarget& target, const PathView& path) {
  const std::string host = to_string(target.carrier);
  if (!path.underlay_answers) return "it does not answer over the overlay";
  if (!*path.underlay_answers) {
    return fmt::format(
        "the host does not answer: neither over the overlay, nor {} to a ping on the underlay; it "
        "is down or cut off, or a firewall drops all",
        host);
  }
  if (!target.is_wrapped()) {
    return fmt::format(
        "it does not answer over the overlay, and its host {} answers a ping on the underlay: a "
        "firewall or a router drops packets with addresses of the overlay",
        host);
  }
  return fmt::format(
      "it does not answer over the overlay, and its host {} answers a ping on the underlay: a "
      "firewall drops {}, or its flanneld does not run",
      host, target.tunnel());
}

std::string too_long(const ProbeTarget& target, const PathView& path) {
  const auto limit = [&](std::string_view way, const std::optional<std::uint16_t>& most) {
    if (!most || *most >= target.mtu) return std::string();
    return fmt::format("packets of more than {} bytes {} it are lost", *most, way);
  };
  const std::string to = limit("to", path.mtu_to), from = limit("from", path.mtu_back);
  if (to.empty() && from.empty()) {
    return fmt::format("packets of {} bytes are lost, and short ones pass", target.mtu);
  }
  return fmt::format("{}{}{}; containers send up to {}", to,
                     to.empty() || from.empty() ? "" : ", and ", from, target.mtu);
}

std::string broken_checksums(const ProbeTarget& target, const PathView& path) {
  const std::string fate = path.arrives_damaged ? "arrive with a wrong one" : "are lost";
  return fmt::format(
      "packets whose checksum the kernel leaves to {} {}, and those that have theirs already pass: "
      "pings are answered, and TCP and UDP of containers are not",
      target.underlay == DeviceName() ? "the network card" : target.underlay.view(), fate);
}

}  // namespace

std::string_view to_string(PathState state) {
  switch (state) {
    case PathState::ok:
      return "ok";
    case PathState::never_seen:
      return "never-seen";
    case PathState::mtu:
      return "mtu";
    case PathState::checksum:
      return "checksum";
    case PathState::one_way:
      return "one-way";
    case PathState::unreachable:
      break;
  }
  return "unreachable";
}

std::string explain(const ProbeTarget& target, const PathView& path, TimePoint now) {
  switch (path.state) {
    case PathState::ok:
      return path.by_echo && target.answers
                 ? "its kernel answers and its flanneld does not: it is down, or older"
                 : "";
    case PathState::never_seen:
      if (!path.is_silent) return "";
      return "it has never answered: " + silence(target, path);
    case PathState::mtu:
      return too_long(target, path);
    case PathState::checksum:
      return broken_checksums(target, path);
    case PathState::one_way: {
      std::string text = "its packets arrive here, and ours do not arrive there";
      if (path.last_reached) {
        const auto ago = std::chrono::duration_cast<std::chrono::seconds>(now - *path.last_reached);
        text += fmt::format("; it heard this host {} s ago for the last time", ago.count());
      }
      return text;
    }
    case PathState::unreachable:
      return silence(target, path);
  }
  return "";
}

}  // namespace flannel
