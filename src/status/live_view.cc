// SPDX-License-Identifier: Apache-2.0
#include "status/live_view.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/version.h"
#include "status/health_json.h"
#include "status/peer_json.h"
#include "status/status_json.h"

namespace flannel {
namespace {

using control::PeerRow;

double in_seconds(TimePoint time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

// Whether there is nothing to report of a peer. The texts of probes follow from what they have
// shown, and some of them count seconds.
bool is_same(const PeerRow& a, const PeerRow& b) {
  return a.state == b.state && a.why == b.why && a.lease == b.lease &&
         std::ranges::equal(a.paths, b.paths, [](const auto& one, const auto& other) {
           return one.family == other.family && one.path == other.path;
         });
}

Json subnets_of(const PeerRow& peer) {
  Json subnets = Json::array();
  for (const IpPrefix& subnet : values_of(peer.lease->subnet))
    subnets.push_back(to_string(subnet));
  return subnets;
}

struct PeerChanges {
  Json peers = Json::array();
  Json gone = Json::array();

  bool any() const { return !peers.empty() || !gone.empty(); }
};

// Both lists are sorted by subnet.
PeerChanges compare(const control::PeersView& before, const LiveView& view) {
  PeerChanges changes;
  const bool same_config = before.configured == view.peers.configured;
  auto old = before.peers.begin();
  const auto drop_until = [&](const SubnetKey* next) {
    for (; old != before.peers.end() && (!next || old->lease->subnet < *next); ++old)
      changes.gone.push_back(subnets_of(*old));
  };
  for (const PeerRow& peer : view.peers.peers) {
    drop_until(&peer.lease->subnet);
    const bool was_there = old != before.peers.end() && old->lease->subnet == peer.lease->subnet;
    if (!same_config || !was_there || !is_same(*old, peer)) {
      changes.peers.push_back(peer_json(peer, view.peers.configured, view.now));
    }
    if (was_there) ++old;
  }
  drop_until(nullptr);
  return changes;
}

Json subnets_of(const SeenRow& row) {
  Json subnets = Json::array();
  for (const IpPrefix& subnet : values_of(row.subnet))
    subnets.push_back(to_string(subnet));
  return subnets;
}

struct RowChanges {
  Json rows = Json::array();
  Json gone = Json::array();

  bool any() const { return !rows.empty() || !gone.empty(); }
};

// Both lists are sorted by subnet. Either may be null.
RowChanges compare(const std::shared_ptr<const SeenRows>& before,
                   const std::shared_ptr<const SeenRows>& after, TimePoint now) {
  RowChanges changes;
  if (before == after || !after) return changes;
  static const SeenRows kNone;
  const auto& was = before ? before->rows : kNone.rows;
  for (const SeenRow& row : after->rows) {
    const auto old = std::ranges::lower_bound(was, row.subnet, {}, &SeenRow::subnet);
    if (old == was.end() || *old != row) changes.rows.push_back(control::health_row_json(row, now));
  }
  for (const SeenRow& row : was) {
    if (!std::ranges::binary_search(after->rows, row.subnet, {}, &SeenRow::subnet)) {
      changes.gone.push_back(subnets_of(row));
    }
  }
  return changes;
}

Json to_json(const StatusSnapshot& status, TimePoint now) {
  Json json = {{"release", version()}};
  json.update(status_json(status, now));
  return json;
}

template <typename Value>
Json rounded(const std::optional<Value>& value) {
  return value ? Json(static_cast<std::int64_t>(*value)) : Json(nullptr);
}

Json samples_after(const LiveView& view, TimePoint last) {
  Json samples = Json::array();
  for (const LoadSample& sample : *view.load) {
    if (sample.at <= last) continue;
    samples.push_back({in_seconds(sample.at), rounded(sample.received), rounded(sample.sent),
                       sample.rtt ? Json(sample.rtt->count()) : Json(nullptr)});
  }
  return samples;
}

// Texts of the store may be no UTF-8.
std::string event(const Json& json) {
  return "data: " + json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n\n";
}

}  // namespace

void LiveEvents::take(LiveView view) {
  const LiveView before = std::exchange(view_, std::move(view));
  change_.clear();
  if (!before.status) return;
  PeerChanges peers = compare(before.peers, view_);
  Json samples =
      samples_after(view_, before.load->empty() ? TimePoint::min() : before.load->back().at);
  RowChanges rows = compare(before.rows, view_.rows, view_.now);
  const bool other_status = before.status != view_.status;
  const bool other_networks = before.networks != view_.networks;
  if (!other_status && !peers.any() && !rows.any() && samples.empty() && !other_networks) return;
  Json json = {{"whole", false}, {"now_s", in_seconds(view_.now)}};
  if (other_networks) json["networks"] = view_.networks;
  if (other_status) json["status"] = to_json(*view_.status, view_.now);
  json["peers"] = std::move(peers.peers);
  json["gone"] = std::move(peers.gone);
  json["samples"] = std::move(samples);
  json["devices"] = view_.devices;
  json["rows"] = std::move(rows.rows);
  json["rows_gone"] = std::move(rows.gone);
  change_ = event(json);
}

std::string LiveEvents::whole() const {
  Json peers = Json::array();
  for (const PeerRow& peer : view_.peers.peers)
    peers.push_back(peer_json(peer, view_.peers.configured, view_.now));
  return event({{"whole", true},
                {"network", view_.network},
                {"networks", view_.networks},
                {"now_s", in_seconds(view_.now)},
                {"status", to_json(*view_.status, view_.now)},
                {"peers", std::move(peers)},
                {"gone", Json::array()},
                {"samples", samples_after(view_, TimePoint::min())},
                {"devices", view_.devices},
                {"has_rows", view_.rows != nullptr},
                {"rows", compare(nullptr, view_.rows, view_.now).rows},
                {"rows_gone", Json::array()}});
}

}  // namespace flannel
