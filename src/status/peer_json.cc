// SPDX-License-Identifier: Apache-2.0
#include "status/peer_json.h"

#include <algorithm>

#include "core/json_text.h"

namespace flannel::control {
namespace {

using Json = nlohmann::ordered_json;

template <typename Value>
Json value_or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json microseconds(const std::optional<std::chrono::microseconds>& time) {
  return time ? Json(time->count()) : Json(nullptr);
}

Json seconds_since(const std::optional<TimePoint>& time, TimePoint now) {
  if (!time) return nullptr;
  return std::chrono::duration_cast<std::chrono::seconds>(now - *time).count();
}

// The longest packet that passes in both ways.
std::optional<std::uint16_t> mtu_of(const PathView& path) {
  if (!path.mtu_to || !path.mtu_back) return std::nullopt;
  return std::min(*path.mtu_to, *path.mtu_back);
}

Json to_json(const PathRow& row, TimePoint now) {
  const PathView& path = row.path;
  Json json = {{"family", to_string(row.family)},
               {"state", to_string(path.state)},
               {"rtt_us", microseconds(path.rtt)},
               {"least_rtt_us", microseconds(path.least_rtt)},
               {"loss", value_or_null(path.loss)},
               {"mtu_to", value_or_null(path.mtu_to)},
               {"mtu_from", value_or_null(path.mtu_back)},
               {"last_heard_s", seconds_since(path.last_heard, now)},
               {"answered_by", path.by_echo ? "kernel" : "flanneld"}};
  if (!path.last_heard) json["answered_by"] = nullptr;
  if (!row.why.empty()) json["why"] = row.why;
  return json;
}

// The worse one of two families counts.
const PathRow& worst(const std::vector<PathRow>& paths) {
  return *std::ranges::max_element(paths, {}, [](const PathRow& row) { return row.path.state; });
}

// The members that sum the paths up.
void add_summary(const PeerRow& peer, TimePoint now, Json& json) {
  const char* const names[] = {"rtt_us", "loss", "path_mtu", "last_heard_s"};
  for (const char* name : names)
    json[name] = nullptr;
  for (const PathRow& row : peer.paths) {
    const PathView& path = row.path;
    if (json["rtt_us"].is_null()) json["rtt_us"] = microseconds(path.rtt);
    if (path.loss)
      json["loss"] = std::max(json["loss"].is_null() ? 0 : double(json["loss"]), *path.loss);
    const auto mtu = mtu_of(path);
    if (mtu && (json["path_mtu"].is_null() || *mtu < json["path_mtu"])) json["path_mtu"] = *mtu;
    const Json heard = seconds_since(path.last_heard, now);
    if (!heard.is_null() && (json["last_heard_s"].is_null() || heard < json["last_heard_s"])) {
      json["last_heard_s"] = heard;
    }
  }
}

std::string state_of(const PeerRow& peer) {
  if (!peer.state.empty()) return std::string(peer.state);
  return peer.paths.empty() ? "not-probed" : std::string(to_string(worst(peer.paths).path.state));
}

std::string why_of(const PeerRow& peer) {
  if (!peer.why.empty() || peer.paths.empty() || !peer.state.empty()) return peer.why;
  const PathRow& row = worst(peer.paths);
  if (row.why.empty() || peer.paths.size() == 1) return row.why;
  return std::string(to_string(row.family)) + ": " + row.why;
}

}  // namespace

Json peer_json(const PeerRow& peer, const AnnouncedBackend& configured, TimePoint now) {
  const Lease& lease = peer.lease;
  const LeaseAttributes& host = lease.attributes;
  Json subnets = Json::array();
  for (const IpPrefix& subnet : values_of(lease.subnet))
    subnets.push_back(to_string(subnet));
  const AnnouncedBackend backend = announced_backend(host, configured);
  Json json = {{"node_id", host.node ? Json(to_string(host.node->id)) : Json(nullptr)},
               {"subnets", std::move(subnets)},
               {"public_ip", text_or_null(host.public_ips().v4)},
               {"public_ipv6", text_or_null(host.public_ips().v6)},
               {"backend", to_string(backend)},
               {"mtu", host.mtu ? Json(host.mtu) : Json(nullptr)},
               {"state", state_of(peer)}};
  add_summary(peer, now, json);
  json["bytes_sent"] = peer.bytes ? Json(peer.bytes->sent) : Json(nullptr);
  json["bytes_received"] = peer.bytes ? Json(peer.bytes->received) : Json(nullptr);
  if (const std::string why = why_of(peer); !why.empty()) json["why"] = why;
  Json paths = Json::array();
  for (const PathRow& row : peer.paths)
    paths.push_back(to_json(row, now));
  json["paths"] = std::move(paths);
  return json;
}

}  // namespace flannel::control
